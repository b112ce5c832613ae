"""The HTTP and WebSocket routes, one module per screen. Imported only by `app`."""
