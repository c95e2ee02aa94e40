"""The section Pretraining."""
