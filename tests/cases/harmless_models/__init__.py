"""Harmless models of every kind for upload, with their answers to compare with those of our copies."""
