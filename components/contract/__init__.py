"""What the steps agree on, and the only code that they share."""
