"""The summary of a network: a row per layer, with its cost. See components/train/network/summary.py."""

from typing import Final

from components.contract.record import BaseRecord

BYTES_PER_TRAINED_WEIGHT: Final = 16
"""In float32: the weight, its gradient, and two moments of the optimizer."""
BYTES_PER_ACTIVATION: Final = 4
"""In float32, kept for the backward pass."""


class Row(BaseRecord):
    """A layer, or a pretrained part of the network.

    Attributes:
        name: unique in the network.
        kind: the Keras class; for a pretrained part, the number of its layers.
        gives: the output shape for one photo.
        num_parameters: the number of weights.
        multiply_adds: approximately, for one photo.
        takes: the names of the rows that are its inputs.
    """

    name: str
    kind: str
    gives: tuple[int, ...]
    num_parameters: int
    multiply_adds: int
    takes: tuple[str, ...]
