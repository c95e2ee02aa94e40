"""The section Scene."""
