"""The trained network in the formats of other runtimes, compared with the service: `export.export_model`."""
