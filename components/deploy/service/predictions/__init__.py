"""The ids of predictions, and the log that keeps summaries of them. Imports NumPy and the contract only."""
