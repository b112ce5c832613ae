"""The kinds of layers that a network in params.yaml may be made of.

Names and arguments are Keras'; each class checks its arguments and knows the shape that it gives, so that a
list of layers is refused, or shown with its shapes, before anything heavy is imported.
"""

from typing import Annotated, ClassVar

from pydantic import Field, Strict

from components.contract.layers.layer import (
    ActivationName,
    Borders,
    Count,
    Layer,
    LayerName,
    Rate,
    Regularizer,
    Shape,
    along_axis,
    shape_text,
)
from components.contract.layers.windowed import (
    AveragePooling2D,
    Conv2D,
    Conv2DTranspose,
    DepthwiseConv2D,
    MaxPooling2D,
    SeparableConv2D,
)
from components.contract.validation_messages import expects


class _GlobalPooling(Layer):
    rank: ClassVar[int | None] = 3

    keepdims: bool = Field(False, description="Whether it gives 1 × 1 × channels instead of a flat vector.")

    def _output_shape(self, shape: Shape) -> Shape:
        return (1, 1, shape[2]) if self.keepdims else (shape[2],)


class GlobalAveragePooling2D(_GlobalPooling):
    """Averages each channel over height and width."""


class GlobalMaxPooling2D(_GlobalPooling):
    """Keeps the maximum of each channel over height and width."""


class Flatten(Layer):
    """Reshapes its input to a flat vector."""

    def _output_shape(self, shape: Shape) -> Shape:
        size = 1
        for axis in shape:
            size *= axis
        return (size,)


class Dense(Layer):
    """Connects every input with every unit: a fully connected layer."""

    rank: ClassVar[int | None] = 1

    units: Count
    activation: ActivationName | None = None
    use_bias: bool = True
    kernel_regularizer: Regularizer | None = None
    bias_regularizer: Regularizer | None = None

    def _output_shape(self, _shape: Shape) -> Shape:
        return (self.units,)

    def num_parameters(self, shape: Shape) -> int:
        """One weight per input and unit, and one bias per unit."""
        return shape[0] * self.units + self.use_bias * self.units


class Dropout(Layer):
    """Sets a fraction of its inputs to 0 during training."""

    rate: Rate


class SpatialDropout2D(Layer):
    """Sets a fraction of its channels to 0 during training."""

    rank: ClassVar[int | None] = 3

    rate: Rate


class BatchNormalization(Layer):
    """Normalizes each channel by its mean and variance over the batch."""

    momentum: Annotated[float, Field(gt=0, lt=1)] = 0.99
    epsilon: Annotated[float, Field(gt=0, lt=1)] = 1e-3

    def num_parameters(self, shape: Shape) -> int:
        """Scale, offset, moving mean and moving variance per channel."""
        return 4 * shape[-1]


class LayerNormalization(Layer):
    """Normalizes each example along its last axis."""

    epsilon: Annotated[float, Field(gt=0, lt=1)] = 1e-3

    def num_parameters(self, shape: Shape) -> int:
        """Scale and offset per channel."""
        return 2 * shape[-1]


class GroupNormalization(Layer):
    """Normalizes each example over groups of channels."""

    rank: ClassVar[int | None] = 3

    groups: Count = 32
    epsilon: Annotated[float, Field(gt=0, lt=1)] = 1e-3

    def _output_shape(self, shape: Shape) -> Shape:
        if shape[-1] % self.groups:
            raise ValueError(f"its {self.groups} groups do not divide {shape[-1]} channels")
        return shape

    def num_parameters(self, shape: Shape) -> int:
        """Scale and offset per channel."""
        return 2 * shape[-1]


class Rescaling(Layer):
    """Multiplies its input by `scale` and adds `offset`."""

    scale: Annotated[float, Field(ge=-1e6, le=1e6)]
    offset: Annotated[float, Field(ge=-1e6, le=1e6)] = 0.0


class Activation(Layer):
    """Applies an activation function to each value."""

    activation: ActivationName


class ZeroPadding2D(Layer):
    """Adds rows and columns of zeros around its input."""

    rank: ClassVar[int | None] = 3

    padding: Borders = 1

    def _output_shape(self, shape: Shape) -> Shape:
        return (shape[0] + 2 * along_axis(self.padding, 0), shape[1] + 2 * along_axis(self.padding, 1), shape[2])


class Merging(Layer):
    """Takes its input and the outputs of earlier layers."""

    with_: Annotated[
        LayerName | Annotated[tuple[LayerName, ...], Strict(False), Field(min_length=1)],
        expects("the name of an earlier layer, or a list of names"),
    ] = Field(alias="with")

    @property
    def other_inputs(self) -> tuple[str, ...]:
        """The names of the layers in `with`."""
        return (self.with_,) if isinstance(self.with_, str) else self.with_

    def merged_shape(self, shapes: list[Shape]) -> Shape:
        """The shape that it makes of all its inputs'.

        Raises:
            ValueError: they do not fit together.
        """
        if len({len(shape) for shape in shapes}) == 1:
            sides = [{size for size in sizes if size != 1} for sizes in zip(*shapes, strict=True)]
            if all(len(side) <= 1 for side in sides):
                return tuple(side.pop() if side else 1 for side in sides)
        raise ValueError(f"its inputs must have the same shape; they are {' and '.join(map(shape_text, shapes))}")


class Add(Merging):
    """Adds its inputs element by element."""


class Multiply(Merging):
    """Multiplies its inputs element by element."""


class Concatenate(Merging):
    """Puts channels behind channels."""

    def merged_shape(self, shapes: list[Shape]) -> Shape:
        """The shape of all its inputs' channels together.

        Raises:
            ValueError: the inputs differ in height or width.
        """
        if len({(len(shape), shape[:-1]) for shape in shapes}) != 1:
            raise ValueError(
                f"its inputs must have the same height and width; they are {' and '.join(map(shape_text, shapes))}"
            )
        return (*shapes[0][:-1], sum(shape[-1] for shape in shapes))


LAYERS: dict[str, type[Layer]] = {
    layer.__name__: layer
    for layer in (
        Activation,
        Add,
        AveragePooling2D,
        BatchNormalization,
        Concatenate,
        Conv2D,
        Conv2DTranspose,
        Dense,
        DepthwiseConv2D,
        Dropout,
        Flatten,
        GlobalAveragePooling2D,
        GlobalMaxPooling2D,
        GroupNormalization,
        LayerNormalization,
        MaxPooling2D,
        Multiply,
        Rescaling,
        SeparableConv2D,
        SpatialDropout2D,
        ZeroPadding2D,
    )
}
