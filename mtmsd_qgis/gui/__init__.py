"""What the user sees: the dock, the engine's set-up, map tools, widgets."""
