"""The contract between the steps, and the only code that they share."""
