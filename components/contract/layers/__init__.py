"""The parts of networks: layer kinds, stacks of layers, backbones, summaries. Import any module."""
