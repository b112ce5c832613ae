"""Protocols of other projects, tested with their own clients."""
