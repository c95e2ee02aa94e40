"""Files to arrays: rasters, bands, nodata, labels, splits, and maps back to files."""
