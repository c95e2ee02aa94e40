"""The section Jobs, and the strip of a running job."""
