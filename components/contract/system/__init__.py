"""Files, caches, addresses, processes and memory of the machine. Import any module."""
