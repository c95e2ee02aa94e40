"""The sections Classes, Polygons and Spectra."""
