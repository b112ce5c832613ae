"""Sources of photos: folders, label files, archives and addresses. Import `source`, `probe` or `provenance`."""
