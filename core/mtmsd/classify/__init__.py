"""From features and labels to a class map: fusion, head, ensemble, training, mapping."""
