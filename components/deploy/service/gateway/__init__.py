"""Handles every request before the service does: connections, middleware, uploads. Import any module."""
