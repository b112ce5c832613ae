"""The `darkroom` command: one module per verb group. Other code imports only `main`."""
