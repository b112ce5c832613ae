"""Harmless models of every kind that users upload, whose outputs are compared with those of imported copies."""
