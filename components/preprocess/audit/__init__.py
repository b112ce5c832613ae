"""The audit of the photos: duplicates, leakage, drift and other checks. Import `findings` or the module of a check."""
