"""Honest models of every kind, to be uploaded, and their answers, to be compared with those of our copies."""
