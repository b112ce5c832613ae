"""The training loop: batches, features, phases, fitting and checkpoints. Import `phases`."""
