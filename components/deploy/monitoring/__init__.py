"""Drift of what a service is asked, and the nearest training photos. Import any module."""
