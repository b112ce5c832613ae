"""Augmentation, and decoding that is the same for training and serving: see `augment`, `preview` and `decode`."""
