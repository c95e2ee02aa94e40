"""Sets the engine's environment up: looks around, plans, installs, says what went wrong.

In the order in which they are used::

    around = machine.look_around()                      # seconds: in a thread
    plan = make_plan("full", "cpu", environment_folder(), SetupOptions(), around)
    plan.sentences(), plan.refusal()                         # what is said before the click
    outcome = Installer(plan, on_event).run()                # minutes: in a thread
    outcome.sentence, outcome.remedy                         # how it ended

``installer.remove(folder)`` takes an environment away; an update is a set-up over the old one.
Nothing here has widgets, and nothing but :mod:`.machine` and :mod:`.environment_folder` needs
more of QGIS
than its language: sentences are in the user's, the log of a set-up is English.
"""
