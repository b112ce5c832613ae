"""Builds bentos and runs them. Import `build` or `server`."""
