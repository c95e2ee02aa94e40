"""Finds the engine's interpreter, starts jobs in it, reads their messages. No GUI in here.

``QgsApplication.processingRegistry().providerById("mtmsd").engine`` is the plugin's one
:class:`~.interpreter.Engine`; its ``state()`` never blocks. Jobs are started by the Processing
algorithms; a feedback object that has a method ``job_started(folder)`` or ``job_message(message)``
is told of the job's folder and of each message (in the thread of the algorithm). One whose
attribute ``when_parent_ends`` is ``continue`` starts a job that outlives QGIS; its ``isCanceled()``
may raise :class:`~.job.LetGoError` to leave the job to itself. Its attribute ``place`` says in
``job.json`` what started the job.
"""
