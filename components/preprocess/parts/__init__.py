"""The reading of photos divided among tasks: list, read in parts, merge. Import `work` or `adoption`."""
