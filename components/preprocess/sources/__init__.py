"""Where photos come from: folders, tables, archives, addresses. Import `source`, `probe`, `remote` or `provenance`."""
