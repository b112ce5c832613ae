"""Reads the description of a network in a model file: layers, calls, and references. Import `network`."""
