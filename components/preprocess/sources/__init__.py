"""Where photos come from: folders, tables, archives, addresses. Import `source`, `remote` or `provenance`."""
