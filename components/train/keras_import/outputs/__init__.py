"""The outputs of a finished model: its output layer, and the order of its classes. Import its modules."""
