"""Devices, memory, threads."""
