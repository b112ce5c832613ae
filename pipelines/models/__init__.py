"""Looks at models before they are trained or served: check, summary, layers and speed. Import its modules."""
