"""The layers that a network in params.yaml may be made of.

Names and arguments are Keras'; each class checks its arguments and knows the shape that it gives, so that a
list of layers is refused, or shown with its shapes, before anything heavy is imported.
"""

import json
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    Strict,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from components.contract.errors import ModelError
from components.contract.faults import expects, fault, faults, nearest

Shape = tuple[int, ...]
"""The shape of one example, without the batch axis: (height, width, channels) or (features,)."""

ActivationName = Literal[
    "elu", "gelu", "hard_sigmoid", "hard_swish", "leaky_relu", "linear", "mish", "relu", "relu6",
    "selu", "sigmoid", "silu", "softmax", "softplus", "softsign", "swish", "tanh",
]  # fmt: skip
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


class Layer(BaseModel):
    """One layer; the class name is the name in params.yaml and in Keras."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    name: LayerName | None = None

    rank: ClassVar[int | None] = None
    """How many axes an input must have, None for any."""

    @property
    def kind(self) -> str:
        return type(self).__name__

    def arguments(self) -> dict[str, Any]:
        """The keyword arguments for the Keras class of the same name."""
        return self.model_dump(exclude_none=True)

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

    def num_parameters(self, shape: Shape) -> int:
        """How many weights the layer has for an input of `shape`."""
        return 0

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
                raise ValueError(f"its window of {reach} is larger than its input; remove a pooling layer before it, "
                                 "use padding: same, or a larger image_size")  # fmt: skip
            sizes.append(-(-size // step) if padding == "same" else (size - reach) // step + 1)
        return (*sizes, *shape[2:])


class Conv2D(_Windowed):
    filters: Count
    kernel_size: Pair
    strides: Pair = 1
    padding: Padding = "valid"
    dilation_rate: Pair = 1
    activation: ActivationName | None = None
    use_bias: bool = True

    @model_validator(mode="after")
    def _steps_or_dilates(self) -> Self:
        if self.strides not in (1, (1, 1)) and self.dilation_rate not in (1, (1, 1)):
            raise fault(f"strides and dilation_rate cannot both differ from 1; found {self.strides} and "
                        f"{self.dilation_rate}")  # fmt: skip
        return self

    def _output_shape(self, shape: Shape) -> Shape:
        spatial = self._slide(shape, self.kernel_size, self.strides, self.padding, self.dilation_rate)
        return (*spatial[:2], self.filters)

    def num_parameters(self, shape: Shape) -> int:
        window = _along(self.kernel_size, 0) * _along(self.kernel_size, 1)
        return window * shape[2] * self.filters + self.use_bias * self.filters


class SeparableConv2D(Conv2D):
    @model_validator(mode="after")
    def _steps_alike(self) -> Self:
        _check_equal_strides(self.strides)
        return self

    def num_parameters(self, shape: Shape) -> int:
        window = _along(self.kernel_size, 0) * _along(self.kernel_size, 1)
        return window * shape[2] + shape[2] * self.filters + self.use_bias * self.filters


class DepthwiseConv2D(_Windowed):
    kernel_size: Pair
    strides: Pair = 1
    padding: Padding = "valid"
    activation: ActivationName | None = None
    use_bias: bool = True

    @model_validator(mode="after")
    def _steps_alike(self) -> Self:
        _check_equal_strides(self.strides)
        return self

    def _output_shape(self, shape: Shape) -> Shape:
        return self._slide(shape, self.kernel_size, self.strides, self.padding)

    def num_parameters(self, shape: Shape) -> int:
        window = _along(self.kernel_size, 0) * _along(self.kernel_size, 1)
        return window * shape[2] + self.use_bias * shape[2]


class _Pooling(_Windowed):
    pool_size: Pair = 2
    strides: Pair | None = None
    padding: Padding = "valid"

    def _output_shape(self, shape: Shape) -> Shape:
        return self._slide(shape, self.pool_size, self.strides or self.pool_size, self.padding)


class MaxPooling2D(_Pooling):
    pass


class AveragePooling2D(_Pooling):
    pass


class _GlobalPooling(Layer):
    rank: ClassVar[int | None] = 3

    def _output_shape(self, shape: Shape) -> Shape:
        return (shape[2],)


class GlobalAveragePooling2D(_GlobalPooling):
    pass


class GlobalMaxPooling2D(_GlobalPooling):
    pass


class Flatten(Layer):
    def _output_shape(self, shape: Shape) -> Shape:
        size = 1
        for axis in shape:
            size *= axis
        return (size,)


class Dense(Layer):
    rank: ClassVar[int | None] = 1

    units: Count
    activation: ActivationName | None = None
    use_bias: bool = True

    def _output_shape(self, shape: Shape) -> Shape:
        return (self.units,)

    def num_parameters(self, shape: Shape) -> int:
        return shape[0] * self.units + self.use_bias * self.units


class Dropout(Layer):
    rate: Rate


class SpatialDropout2D(Layer):
    rank: ClassVar[int | None] = 3

    rate: Rate


class BatchNormalization(Layer):
    momentum: Annotated[float, Field(gt=0, lt=1)] = 0.99
    epsilon: Annotated[float, Field(gt=0, lt=1)] = 1e-3

    def num_parameters(self, shape: Shape) -> int:
        return 4 * shape[-1]


class LayerNormalization(Layer):
    epsilon: Annotated[float, Field(gt=0, lt=1)] = 1e-3

    def num_parameters(self, shape: Shape) -> int:
        return 2 * shape[-1]


class Activation(Layer):
    activation: ActivationName


class ZeroPadding2D(Layer):
    rank: ClassVar[int | None] = 3

    padding: Borders = 1

    def _output_shape(self, shape: Shape) -> Shape:
        return (shape[0] + 2 * _along(self.padding, 0), shape[1] + 2 * _along(self.padding, 1), shape[2])


LAYERS: dict[str, type[Layer]] = {
    layer.__name__: layer
    for layer in (
        Activation, AveragePooling2D, BatchNormalization, Conv2D, Dense, DepthwiseConv2D, Dropout, Flatten,
        GlobalAveragePooling2D, GlobalMaxPooling2D, LayerNormalization, MaxPooling2D, SeparableConv2D,
        SpatialDropout2D, ZeroPadding2D,
    )
}  # fmt: skip


def _check_equal_strides(strides: Pair) -> None:
    """TensorFlow has depthwise convolutions for these only."""
    if _along(strides, 0) != _along(strides, 1):
        raise fault(f"strides must be the same along height and width; found {strides}")


def _along(value: Pair, axis: int) -> int:
    return value if isinstance(value, int) else value[axis]


def parse_layer(value: Any) -> Layer:
    """A layer from `Flatten` or `{Conv2D: {filters: 32, kernel_size: 3}}`."""
    if isinstance(value, Layer):
        return value
    if isinstance(value, str):
        kind, arguments = value, None
    elif isinstance(value, dict) and len(value) == 1:
        kind, arguments = next(iter(value.items()))
    else:
        raise fault(f"expected one layer, such as Flatten or Dense: {{units: 10}}; found {json.dumps(value)}")
    layer_class = LAYERS.get(kind)
    if layer_class is None:
        raise fault(f"unknown layer {kind}{nearest(str(kind), LAYERS)}")
    arguments = {} if arguments is None else arguments
    if not isinstance(arguments, dict):
        raise fault(f"expected the arguments of {kind} as key: value; found {json.dumps(arguments)}")
    try:
        return layer_class.model_validate_json(json.dumps(arguments))
    except ValidationError as error:
        found = "; ".join(f"{where}: {what}" for where, what in faults(error, layer_class))
        raise fault(f"{kind}: {found}") from None


def _dump_layer(layer: Layer) -> str | dict[str, Any]:
    given = layer.model_dump(mode="json", exclude_unset=True)
    return {layer.kind: given} if given else layer.kind


def _layer_schema() -> dict[str, Any]:
    def arguments(layer: type[Layer]) -> dict[str, Any]:
        schema = layer.model_json_schema()
        return {key: schema[key] for key in ("type", "properties", "required", "additionalProperties", "$defs")
                if key in schema}  # fmt: skip

    bare = [name for name, layer in LAYERS.items() if not arguments(layer).get("required")]
    calls = [
        {"type": "object", "properties": {name: arguments(layer)}, "required": [name], "additionalProperties": False}
        for name, layer in LAYERS.items()
    ]
    return {"anyOf": [{"enum": sorted(bare)}, *calls]}


LayerSpec = Annotated[Layer, PlainValidator(parse_layer), PlainSerializer(_dump_layer), WithJsonSchema(_layer_schema())]


def trace_shapes(layers: tuple[Layer, ...], input_shape: Shape, where: str = "train.model.layers") -> list[Shape]:
    """The output shape of each layer in turn.

    Args:
        layers: the network without its input and output layer.
        input_shape: (height, width, channels).
        where: the key in params.yaml, for the message.

    Raises:
        ModelError: a layer cannot take what the layer before it gives, two layers have one name, or the last does not
            give the flat vector that the output layer takes.
    """
    shapes: list[Shape] = []
    shape = input_shape
    names: set[str] = set()
    for position, layer in enumerate(layers):
        if layer.name is not None and layer.name in names:
            raise ModelError(f"Each layer must have a name of its own; {where}[{position}] {layer} has that of an "
                             "earlier one. Change it, or leave it out.")  # fmt: skip
        names |= {layer.name} if layer.name is not None else set()
        try:
            shape = layer.output_shape(shape)
        except ValueError as error:
            raise ModelError(
                f"{where}[{position}] {layer} cannot stand here: {error}. Its input is {shape_text(shape)}."
            ) from None
        shapes.append(shape)
    if len(shape) != 1:
        raise ModelError(f"{where} must end in a flat vector, which the output layer takes; {layers[-1]} gives "
                         f"{shape_text(shape)}. Add Flatten or GlobalAveragePooling2D.")  # fmt: skip
    return shapes


def shape_text(shape: Shape) -> str:
    """224 × 224 × 3."""
    return " × ".join(map(str, shape))
