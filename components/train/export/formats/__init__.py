"""Exports a trained model for other runtimes, and compares it with the service. Import `export`."""
