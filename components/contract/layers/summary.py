"""A network as rows, with the cost of each layer; see components/train/network/summary.py."""

from typing import Final

from components.contract.record import BaseRecord

BYTES_PER_TRAINED_WEIGHT: Final = 16
"""float32: the weight, its gradient, and two moments of the optimizer."""
BYTES_PER_ACTIVATION: Final = 4
"""float32, held for the backward pass."""


class Row(BaseRecord):
    """A layer, or a pretrained part as a whole.

    Attributes:
        name: unique in the network.
        kind: Keras' class; of a part, how many layers it has.
        gives: its output shape for one photo.
        num_parameters: its weights.
        multiply_adds: roughly, for one photo.
        takes: the names of the rows that are its inputs.
    """

    name: str
    kind: str
    gives: tuple[int, ...]
    num_parameters: int
    multiply_adds: int
    takes: tuple[str, ...]
