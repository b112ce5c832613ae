"""A layer of params.yaml: its name, its arguments, the shape of its output, and how many weights it has."""

import math
from functools import cache
from typing import Annotated, Any

from pydantic import Field, Strict, create_model
from typing_extensions import TypeAliasType

from components.contract.layers.arguments import Regularizer
from components.contract.layers.catalogue import KINDS
from components.contract.layers.shapes import Shape
from components.contract.record import StrictRecord
from components.contract.validation_messages import expects

LayerName = TypeAliasType(
    "LayerName",
    Annotated[
        str,
        Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$"),
        expects("a letter, then up to 63 letters, digits and underscores"),
    ],
)
EarlierLayer = TypeAliasType(
    "EarlierLayer",
    Annotated[
        LayerName,
        Field(
            description="The name of an earlier layer to use as input instead of the previous one; input: the input "
            "of the whole list."
        ),
    ],
)


class Layer(StrictRecord, allow_inf_nan=False, validate_by_name=True, serialize_by_alias=True):
    """One layer; `layer_class` adds the arguments of its kind."""

    name: LayerName | None = None
    after: EarlierLayer | None = None

    @property
    def kind(self) -> str:
        """The name of the class, in params.yaml and in Keras."""
        return type(self).__name__

    @property
    def arguments(self) -> dict[str, Any]:
        """The keyword arguments of the Keras class of the same name, except None."""
        checks = KINDS[self.kind].arguments
        return {
            key: value if isinstance(value := getattr(self, key), Regularizer) else checks[key](plain_value)
            for key, plain_value in self.model_dump(mode="json", exclude_none=True).items()
            if key in checks
        }

    @property
    def other_inputs(self) -> tuple[str, ...]:
        """The names of earlier layers that are additional inputs."""
        return ()

    def compute_output_shape(self, *shapes: Shape) -> Shape:
        """The shape of its output for inputs of these shapes.

        Raises:
            ValueError: the layer cannot take them; the message gives the reason.
        """
        if self.kind == "Dense" and len(shapes[0]) == 3:
            raise ValueError("it takes a flat vector (put Flatten or GlobalAveragePooling2D before it)")
        return KINDS[self.kind].shape(self.arguments, self._operands(shapes))

    def count_parameters(self, *shapes: Shape) -> int:
        """How many weights the layer has for inputs of these shapes."""
        weights = KINDS[self.kind].weights(self.arguments, self._operands(shapes))
        return sum(math.prod(shape) for shape in weights.values())

    def _operands(self, shapes: tuple[Shape, ...]) -> Any:
        return list(shapes) if KINDS[self.kind].merges else shapes[0]

    def __str__(self) -> str:
        arguments = self.model_dump(exclude_unset=True)
        return f"{self.kind}({', '.join(f'{key}={value}' for key, value in arguments.items())})"


class MergingLayer(Layer):
    """A layer whose inputs include the outputs of earlier layers."""

    with_: Annotated[
        LayerName | Annotated[tuple[LayerName, ...], Strict(False), Field(min_length=1)],
        expects("the name of an earlier layer, or a list of names"),
    ] = Field(alias="with")

    @property
    def other_inputs(self) -> tuple[str, ...]:
        """The names of the layers in `with`."""
        return (self.with_,) if isinstance(self.with_, str) else self.with_


LAYERS = tuple(sorted(KINDS.keys() - {"InputLayer"}))
"""The entries that a list of layers can have."""


@cache
def layer_class(kind: str) -> type[Layer]:
    """The layers of one kind."""
    entry = KINDS[kind]
    fields: dict[str, Any] = {
        name: (check.annotation if name in entry.required or check.default is not None else check.annotation | None,)
        + ((...,) if name in entry.required else (check.default,))
        for name, check in entry.arguments.items()
        if check.annotation is not None
    }
    return create_model(kind, __base__=MergingLayer if entry.merges else Layer, __doc__=entry.help, **fields)
