"""The commands, one a file: what the terminal, a job folder and QGIS run."""
