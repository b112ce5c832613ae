"""Harmless models of every kind to upload, with their predictions to compare with those of the imported copies."""
