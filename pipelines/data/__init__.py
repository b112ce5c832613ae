"""Versions of data sets with DVC and git. Import any module."""
