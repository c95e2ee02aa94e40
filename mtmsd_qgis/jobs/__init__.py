"""A job of the dock: started, remembered, attached, ended."""
