"""The audit of a set of photos: duplicates, leakage, drift and other checks. Import `findings` or a check."""
