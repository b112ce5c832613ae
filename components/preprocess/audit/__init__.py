"""The audit of a set of photos: duplicates, leakage, drift. Import `findings` or the check itself."""
