"""The outputs of a finished model: the layer that gives them, and the order of the classes. Import its modules."""
