"""Widgets that know nothing of scenes: plots, the confusion matrix, a section."""
