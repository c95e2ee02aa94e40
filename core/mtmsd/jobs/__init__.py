"""The protocol of a job: folder, messages, cancel, claim and resume."""
