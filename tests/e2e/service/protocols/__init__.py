"""Protocols of others, asked by their own clients."""
