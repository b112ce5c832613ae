"""Reads photos in tasks: one lists them, several read parts, one merges the results. Import `work` or `adoption`."""
