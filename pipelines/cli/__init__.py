"""The `darkroom` command: one module per verb group. Import `main`."""
