"""Helpers that tests share: servers, browsers, container engines, processes and sample artifacts."""
