"""Keras networks from params, backbones, earlier bundles and uploads. Import `architecture` or `initial_model`."""
