"""Harmless models of every kind that users upload, and their outputs, to compare with those of imported copies."""
