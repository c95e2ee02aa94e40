"""Spectral libraries of others: read, and brought to a scene's bands and units."""
