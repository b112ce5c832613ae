"""The charts of the report, in one style. Import `figures` or `network_diagram`."""
