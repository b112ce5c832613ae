"""The contract between the steps: the only code that they share."""
