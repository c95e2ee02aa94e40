"""From features and labels to a classifier: fusion, head, ensemble, training."""
