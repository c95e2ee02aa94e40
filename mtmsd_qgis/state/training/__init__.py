"""Classes, training polygons, their file and their journal; samples and spectra."""
