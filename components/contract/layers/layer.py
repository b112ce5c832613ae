"""A layer that a network in params.yaml may be made of: its name, its arguments and the shape of its output."""

import math
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, Strict

from components.contract.validation_messages import expects

Shape = tuple[int, ...]
"""The shape of one example, without the batch axis: (height, width, channels) or (features,)."""

ActivationName = Literal[
    "elu",
    "gelu",
    "hard_sigmoid",
    "hard_swish",
    "leaky_relu",
    "linear",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "swish",
    "tanh",
]
Padding = Literal["valid", "same"]
LayerName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$"),
    expects("a letter, then up to 63 letters, digits and underscores"),
]
Count = Annotated[int, Field(ge=1, le=65_536)]
Rate = Annotated[float, Field(ge=0, lt=1)]
Extent = Annotated[int, Field(ge=1, le=1024)]
Pair = Annotated[
    Extent | Annotated[tuple[Extent, Extent], Strict(False)], expects("a number from 1 to 1024, or [height, width]")
]

Border = Annotated[int, Field(ge=0, le=1024)]
Borders = Annotated[
    Border | Annotated[tuple[Border, Border], Strict(False)], expects("a number from 0 to 1024, or [height, width]")
]


class Regularizer(BaseModel):
    """What a weight costs: l1 times its size, and l2 times its square."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    l1: Annotated[float, Field(ge=0, le=10)] = 0.0
    l2: Annotated[float, Field(ge=0, le=10)] = 0.0


class Layer(BaseModel):
    """One layer; the class name is the name in params.yaml and in Keras."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_by_name=True, serialize_by_alias=True
    )

    name: LayerName | None = None
    after: LayerName | None = Field(
        None,
        description="The name of an earlier layer that it takes in place of the one before; input: what the list "
        "stands on.",
    )

    rank: ClassVar[int | None] = None
    """How many axes an input must have, None for any."""

    @property
    def kind(self) -> str:
        """The name of the class, in params.yaml and in Keras."""
        return type(self).__name__

    def arguments(self) -> dict[str, Any]:
        """The keyword arguments for the Keras class of the same name, regularisers as {l1, l2}."""
        return self.model_dump(exclude_none=True, exclude={"after", "with_"})

    @property
    def other_inputs(self) -> tuple[str, ...]:
        """The names of the earlier layers that it takes beside its input."""
        return ()

    def output_shape(self, shape: Shape) -> Shape:
        """The shape that this layer makes of `shape`.

        Raises:
            ValueError: the layer cannot take `shape`; the text says why.
        """
        if self.rank is not None and len(shape) != self.rank:
            expected_shape = {3: "height × width × channels", 1: "a flat vector"}[self.rank]
            hint = " (put Flatten or GlobalAveragePooling2D before it)" if self.rank == 1 else ""
            raise ValueError(f"it takes {expected_shape}{hint}")
        return self._output_shape(shape)

    def _output_shape(self, shape: Shape) -> Shape:
        return shape

    def num_parameters(self, shape: Shape) -> int:  # noqa: ARG002 - layers with weights use it
        """How many weights the layer has for an input of `shape`."""
        return 0

    def multiply_adds(self, shape: Shape) -> int:
        """Roughly how many multiplications one photo takes, for an input of `shape`."""
        return math.prod(self.output_shape(shape)[:-1]) * self.num_parameters(shape)

    def __str__(self) -> str:
        arguments = self.model_dump(exclude_unset=True)
        return f"{self.kind}({', '.join(f'{key}={value}' for key, value in arguments.items())})"


def shape_text(shape: Shape) -> str:
    """224 × 224 × 3."""
    return " × ".join(map(str, shape))


def along_axis(value: Pair, axis: int) -> int:
    """The part of a pair for an axis: 0 for height, 1 for width."""
    return value if isinstance(value, int) else value[axis]
