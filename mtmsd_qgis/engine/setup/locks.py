"""The pinned, hashed lists of packages that travel with the plugin, and their sizes."""
