"""The section Map: options, legend, areas, products."""
