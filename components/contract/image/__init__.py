"""Bytes to pixels, one way for training and serving, and augmentation. Import `decode`, `augment` or `preview`."""
