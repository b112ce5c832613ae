"""What every request passes: connections, middleware, uploads. Import any module."""
