"""Scenes: rasters, bands, nodata, whitening, and maps back to files."""
