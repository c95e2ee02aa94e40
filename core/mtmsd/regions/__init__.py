"""Regions with true edges, learnt with their classes."""
