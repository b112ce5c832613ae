"""A layer in params.yaml: its name and arguments, its output shape, and its number of weights."""

import math
from functools import cache
from typing import Annotated, Any

from pydantic import Field, Strict, create_model
from typing_extensions import TypeAliasType

from components.contract.layers.arguments import Regularizer
from components.contract.layers.catalog import KINDS
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
            description="The name of an earlier layer whose output becomes the input, instead of the previous layer's "
            "output. input: the input of the list of layers."
        ),
    ],
)


class Layer(StrictRecord, allow_inf_nan=False, validate_by_name=True, serialize_by_alias=True):
    """A layer; subclasses made by `layer_class` have the arguments of their kind as fields."""

    name: LayerName | None = None
    after: EarlierLayer | None = None

    @property
    def kind(self) -> str:
        """The name of the layer's class in params.yaml and in Keras."""
        return type(self).__name__

    @property
    def arguments(self) -> dict[str, Any]:
        """The keyword arguments for the Keras class, without those that are None."""
        checks = KINDS[self.kind].arguments
        return {
            key: value if isinstance(value := getattr(self, key), Regularizer) else checks[key](plain_value)
            for key, plain_value in self.model_dump(mode="json", exclude_none=True).items()
            if key in checks
        }

    @property
    def other_inputs(self) -> tuple[str, ...]:
        """The names of earlier layers whose outputs are additional inputs."""
        return ()

    def compute_output_shape(self, *shapes: Shape) -> Shape:
        """The output shape for inputs of these shapes.

        Raises:
            ValueError: the layer cannot accept these inputs; the message contains the reason.
        """
        if self.kind == "Dense" and len(shapes[0]) == 3:
            raise ValueError("it needs a flat vector (put Flatten or GlobalAveragePooling2D before it)")
        return KINDS[self.kind].shape(self.arguments, self._operands(shapes))

    def count_parameters(self, *shapes: Shape) -> int:
        """The number of weights for inputs of these shapes."""
        weights = KINDS[self.kind].weights(self.arguments, self._operands(shapes))
        return sum(math.prod(shape) for shape in weights.values())

    def _operands(self, shapes: tuple[Shape, ...]) -> Any:
        return list(shapes) if KINDS[self.kind].merges else shapes[0]

    def __str__(self) -> str:
        arguments = self.model_dump(exclude_unset=True)
        return f"{self.kind}({', '.join(f'{key}={value}' for key, value in arguments.items())})"


class MergingLayer(Layer):
    """A layer that takes the outputs of earlier layers as additional inputs."""

    with_: Annotated[
        LayerName | Annotated[tuple[LayerName, ...], Strict(False), Field(min_length=1)],
        expects("the name of an earlier layer, or a list of names"),
    ] = Field(alias="with")

    @property
    def other_inputs(self) -> tuple[str, ...]:
        """The names of the layers in `with`."""
        return (self.with_,) if isinstance(self.with_, str) else self.with_


LAYERS = tuple(sorted(KINDS.keys() - {"InputLayer"}))
"""The kinds of layers that a list of layers can contain."""


@cache
def layer_class(kind: str) -> type[Layer]:
    """Creates the class for one kind of layer, with the arguments of this kind as fields."""
    entry = KINDS[kind]
    fields: dict[str, Any] = {
        name: (check.annotation if name in entry.required or check.default is not None else check.annotation | None,)
        + ((...,) if name in entry.required else (check.default,))
        for name, check in entry.arguments.items()
        if check.annotation is not None
    }
    return create_model(kind, __base__=MergingLayer if entry.merges else Layer, __doc__=entry.help, **fields)
