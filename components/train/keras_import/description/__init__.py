"""Reads what a model file says of its network: layers, calls, and references between them. Import `network`."""
