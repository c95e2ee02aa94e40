"""The scene that is worked on, its layers and its files."""
