"""The time limit of a run: measures a few batches, and plans the epochs that fit. Import `settle`."""
