"""Drift of the served photos, and the nearest training photos. Import any module."""
