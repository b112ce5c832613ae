"""The HTTP and WebSocket routes, grouped into modules by screen. Only `app` imports them."""
