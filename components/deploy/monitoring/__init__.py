"""Measures drift of the served photos, and finds photos to label and the nearest training photos. Import any module."""
