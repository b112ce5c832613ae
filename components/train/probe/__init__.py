"""Chooses a pretrained network by the accuracy of a linear head on its frozen features. Import `choose`."""
