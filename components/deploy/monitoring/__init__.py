"""Measures drift in served photos, selects photos to label, and finds similar training photos. Import any module."""
