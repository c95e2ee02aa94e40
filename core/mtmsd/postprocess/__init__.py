"""After the map: smaller and smoother regions, polygons, areas, where to label next."""
