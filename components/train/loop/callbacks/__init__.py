"""Keras callbacks: early stopping, progress, saving. Import `progress`; only `loop` imports the others."""
