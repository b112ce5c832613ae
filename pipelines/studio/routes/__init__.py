"""The HTTP and WebSocket routes, one module per screen. Imported by `app` alone."""
