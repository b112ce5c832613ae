"""Keras callbacks: early stopping, progress, saving. Import `progress`; the rest is for `loop`."""
