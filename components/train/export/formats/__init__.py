"""Exports the trained network for other runtimes and compares it with the service: `export.export_model`."""
