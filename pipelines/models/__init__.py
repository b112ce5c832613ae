"""Inspects models before they are trained or served: check, summary, layers and speed. All modules are public."""
