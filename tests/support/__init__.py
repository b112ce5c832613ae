"""Shared by tests: servers, browsers, container engines, processes and sample artifacts."""
