"""What is wrong with a set of photos: duplicates, leaks, drift. Import `findings` or the check itself."""
