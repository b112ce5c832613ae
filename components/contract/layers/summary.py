"""The summary of a network: a row per layer, with its cost. See components/train/network/summary.py."""

from typing import Final

from components.contract.record import BaseRecord

BYTES_PER_TRAINED_WEIGHT: Final = 16
"""The weight, its gradient, and the optimizer's two moments, all in float32."""
BYTES_PER_ACTIVATION: Final = 4
"""A float32 value, which is kept for the backward pass."""


class Row(BaseRecord):
    """A layer, or a pretrained part of the network.

    Attributes:
        name: the name, unique in the network.
        kind: the Keras class; for a pretrained part, a text such as "154 layers".
        gives: the output shape for one photo.
        num_parameters: the number of weights.
        multiply_adds: the approximate number of multiply-adds for one photo.
        takes: the names of the rows whose outputs are its inputs.
    """

    name: str
    kind: str
    gives: tuple[int, ...]
    num_parameters: int
    multiply_adds: int
    takes: tuple[str, ...]
