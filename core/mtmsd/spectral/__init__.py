"""Classifiers of single spectra, by scikit-learn."""
