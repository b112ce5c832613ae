"""Photos become a prepared data set: found, checked, split, resized, written once."""
