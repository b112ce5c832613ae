"""Decoding, the same for training and serving, and augmentation. Import `decode`, `augment` or `preview`."""
