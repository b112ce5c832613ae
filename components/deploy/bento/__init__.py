"""Builds a bento and runs it. Import `build` or `server`."""
