"""Reads untrusted input within limits: archives, documents, names and repositories."""
