"""Plans runs with a time limit: measures a few batches and chooses the epochs that fit. Import `settle`."""
