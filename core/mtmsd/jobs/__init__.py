"""A job: its arguments, its folder, its messages, cancel and resume; one file per command."""
