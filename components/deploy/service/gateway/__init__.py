"""Handles every request: connections, middleware, uploads. Import any module."""
