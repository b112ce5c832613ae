"""Reads untrusted files in a process without network access and with little memory. Only for `keras_import`."""
