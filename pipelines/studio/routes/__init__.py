"""The HTTP and WebSocket routes, in modules by screen. Only `app` imports them."""
