"""The section Accuracy."""
