"""Training labels: vector layers and label rasters -> pixels with classes; splits of them."""
