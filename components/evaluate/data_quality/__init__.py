"""Finds problems in the data that a trained model reveals: doubtful labels, and photos unlike all others."""
