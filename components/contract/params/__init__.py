"""The typed params.yaml: one module per section, `resolve` for `auto` values, and the JSON Schema for editors."""
