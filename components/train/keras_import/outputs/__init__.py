"""The outputs of an uploaded model: its output layer, and the order of its classes. Import either module."""
