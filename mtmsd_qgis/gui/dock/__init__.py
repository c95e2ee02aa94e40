"""The dock: one file per section, top to bottom the way of the work."""
