"""The typed params.yaml: one module per section, `resolve` for `auto`, `schema` for editors. Import any module."""
