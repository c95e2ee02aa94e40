"""The command line: options in, a job's arguments out; what a terminal shows."""
