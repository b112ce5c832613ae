"""Chooses a pretrained network by a linear head on its frozen features. Import `choose`."""
