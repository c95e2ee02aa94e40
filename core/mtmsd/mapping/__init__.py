"""From a classifier and a scene to a class map, block by block."""
