"""The parts of networks: kinds of layers, lists of layers, backbones and summaries."""
