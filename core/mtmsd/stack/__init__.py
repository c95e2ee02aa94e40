"""A stack: several simple classifiers and the diffusion network, weighed by spatial folds."""
