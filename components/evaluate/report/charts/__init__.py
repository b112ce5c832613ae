"""The charts in the report, all in one style. Import `figures` or `network_diagram`."""
