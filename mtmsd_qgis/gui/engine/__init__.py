"""The engine as the user meets it: its state, its set-up, its page among QGIS's options."""
