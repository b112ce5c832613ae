"""Training: batches, features, phases, the fit itself and its checkpoints. Import `phases`."""
