"""One file per way a scene is stored."""
