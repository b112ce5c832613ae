"""Reads photos in several tasks: list, read in parts, merge. Import `work` or `adoption`."""
