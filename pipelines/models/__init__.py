"""Inspects models before training or serving: check, summary, probe, layers and speed. All modules are public."""
