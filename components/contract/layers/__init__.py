"""What networks are made of: layer kinds, stacks of layers, backbones, summaries. Import any module."""
