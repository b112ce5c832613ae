"""The kinds of layers that a network in params.yaml may be made of.

Names and arguments are Keras'; each class checks its arguments and knows the shape that it gives, so that a
list of layers is refused, or shown with its shapes, before anything heavy is imported.
"""

import math
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, Strict, model_validator

from components.contract.validation_messages import expects, fault

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
    def joined(self) -> tuple[str, ...]:
        """The names of the earlier layers that it takes beside its input."""
        return ()

    def output_shape(self, shape: Shape) -> Shape:
        """The shape that this layer makes of `shape`.

        Raises:
            ValueError: the layer cannot take `shape`; the text says why.
        """
        if self.rank is not None and len(shape) != self.rank:
            wanted = {3: "height × width × channels", 1: "a flat vector"}[self.rank]
            hint = " (put Flatten or GlobalAveragePooling2D before it)" if self.rank == 1 else ""
            raise ValueError(f"it takes {wanted}{hint}")
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
        given = self.model_dump(exclude_unset=True)
        return f"{self.kind}({', '.join(f'{key}={value}' for key, value in given.items())})"


class _Windowed(Layer):
    """Slides a window over height and width."""

    rank: ClassVar[int | None] = 3

    def _slide(self, shape: Shape, window: Pair, strides: Pair, padding: Padding, dilation: Pair = 1) -> Shape:
        sizes = []
        for axis, size in enumerate(shape[:2]):
            step = _along(strides, axis)
            reach = (_along(window, axis) - 1) * _along(dilation, axis) + 1
            if padding == "valid" and reach > size:
                raise ValueError(
                    f"its window of {reach} is larger than its input; remove a pooling layer before it, "
                    "use padding: same, or a larger image_size"
                )
            sizes.append(-(-size // step) if padding == "same" else (size - reach) // step + 1)
        return (*sizes, *shape[2:])


class _Convolution(_Windowed):
    filters: Count
    kernel_size: Pair
    strides: Pair = 1
    padding: Padding = "valid"
    dilation_rate: Pair = 1
    activation: ActivationName | None = None
    use_bias: bool = True
    bias_regularizer: Regularizer | None = None

    @model_validator(mode="after")
    def _steps_or_dilates(self) -> Self:
        if self.strides not in (1, (1, 1)) and self.dilation_rate not in (1, (1, 1)):
            raise fault(
                f"strides and dilation_rate cannot both differ from 1; found {self.strides} and {self.dilation_rate}"
            )
        return self

    def _output_shape(self, shape: Shape) -> Shape:
        spatial = self._slide(shape, self.kernel_size, self.strides, self.padding, self.dilation_rate)
        return (*spatial[:2], self.filters)

    def num_parameters(self, shape: Shape) -> int:
        window = _along(self.kernel_size, 0) * _along(self.kernel_size, 1)
        return window * shape[2] * self.filters + self.use_bias * self.filters


class Conv2D(_Convolution):
    """Convolves its input with `filters` kernels."""

    kernel_regularizer: Regularizer | None = None


class Conv2DTranspose(_Windowed):
    """Enlarges height and width by a transposed convolution."""

    filters: Count
    kernel_size: Pair
    strides: Pair = 1
    padding: Padding = "valid"
    activation: ActivationName | None = None
    use_bias: bool = True
    kernel_regularizer: Regularizer | None = None
    bias_regularizer: Regularizer | None = None

    def _output_shape(self, shape: Shape) -> Shape:
        sides = []
        for axis, size in enumerate(shape[:2]):
            step = _along(self.strides, axis)
            over = 0 if self.padding == "same" else max(_along(self.kernel_size, axis) - step, 0)
            sides.append(size * step + over)
        return (*sides, self.filters)

    def num_parameters(self, shape: Shape) -> int:
        """The weights of the kernels, and one bias per filter."""
        window = _along(self.kernel_size, 0) * _along(self.kernel_size, 1)
        return window * shape[2] * self.filters + self.use_bias * self.filters

    def multiply_adds(self, shape: Shape) -> int:
        """Roughly how many multiplications one photo takes: each weight once per position of the input."""
        return math.prod(shape[:2]) * self.num_parameters(shape)


class SeparableConv2D(_Convolution):
    """Convolves each channel with its own kernel, then mixes the channels by a 1 × 1 convolution."""

    depthwise_regularizer: Regularizer | None = None
    pointwise_regularizer: Regularizer | None = None

    @model_validator(mode="after")
    def _steps_alike(self) -> Self:
        _check_equal_strides(self.strides)
        return self

    def num_parameters(self, shape: Shape) -> int:
        """One kernel per channel, one weight per channel and filter, and one bias per filter."""
        window = _along(self.kernel_size, 0) * _along(self.kernel_size, 1)
        return window * shape[2] + shape[2] * self.filters + self.use_bias * self.filters


class DepthwiseConv2D(_Windowed):
    """Convolves each channel with its own kernel."""

    kernel_size: Pair
    strides: Pair = 1
    padding: Padding = "valid"
    activation: ActivationName | None = None
    use_bias: bool = True
    depthwise_regularizer: Regularizer | None = None
    bias_regularizer: Regularizer | None = None

    @model_validator(mode="after")
    def _steps_alike(self) -> Self:
        _check_equal_strides(self.strides)
        return self

    def _output_shape(self, shape: Shape) -> Shape:
        return self._slide(shape, self.kernel_size, self.strides, self.padding)

    def num_parameters(self, shape: Shape) -> int:
        """One kernel and one bias per channel."""
        window = _along(self.kernel_size, 0) * _along(self.kernel_size, 1)
        return window * shape[2] + self.use_bias * shape[2]


class _Pooling(_Windowed):
    pool_size: Pair = 2
    strides: Pair | None = None
    padding: Padding = "valid"

    def _output_shape(self, shape: Shape) -> Shape:
        return self._slide(shape, self.pool_size, self.strides or self.pool_size, self.padding)


class MaxPooling2D(_Pooling):
    """Keeps the maximum of each window."""


class AveragePooling2D(_Pooling):
    """Averages each window."""


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
        return (shape[0] + 2 * _along(self.padding, 0), shape[1] + 2 * _along(self.padding, 1), shape[2])


class Merging(Layer):
    """Takes its input and the outputs of earlier layers."""

    with_: Annotated[
        LayerName | Annotated[tuple[LayerName, ...], Strict(False), Field(min_length=1)],
        expects("the name of an earlier layer, or a list of names"),
    ] = Field(alias="with")

    @property
    def joined(self) -> tuple[str, ...]:
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


def shape_text(shape: Shape) -> str:
    """224 × 224 × 3."""
    return " × ".join(map(str, shape))


def _check_equal_strides(strides: Pair) -> None:
    """TensorFlow has depthwise convolutions for these only."""
    if _along(strides, 0) != _along(strides, 1):
        raise fault(f"strides must be the same along height and width; found {strides}")


def _along(value: Pair, axis: int) -> int:
    return value if isinstance(value, int) else value[axis]
