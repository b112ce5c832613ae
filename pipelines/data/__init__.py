"""Versions of data sets with DVC and git. All modules are public."""
