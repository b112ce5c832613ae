"""Exports the trained network for serving, in float32 or int8, and in other formats. Import any module."""
