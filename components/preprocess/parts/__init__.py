"""Reads photos in several tasks: one lists them, several read parts, one merges. Import `work` or `adoption`."""
