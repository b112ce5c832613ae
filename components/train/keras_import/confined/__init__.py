"""Reads untrusted files in a process without network and with little memory. Imported by `keras_import` alone."""
