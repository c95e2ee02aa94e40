"""Tools on the map canvas: drawing, growing a region, places to label next."""
