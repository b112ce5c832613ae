"""Reads untrusted files in a process without network access and with limited memory. Only for `keras_import`."""
