"""What folders mean, by their names and by which of them hold photos: no file is opened. Import `tree` and `layout`."""
