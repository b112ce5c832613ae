"""The layers that slide a window over height and width: convolutions and pooling."""

import math
from typing import ClassVar, Self

from pydantic import model_validator

from components.contract.layers.layer import ActivationName, Count, Layer, Padding, Pair, Regularizer, Shape, along_axis
from components.contract.validation_messages import fault


class _Windowed(Layer):
    """Slides a window over height and width."""

    rank: ClassVar[int | None] = 3

    def _slide(self, shape: Shape, window: Pair, strides: Pair, padding: Padding, dilation: Pair = 1) -> Shape:
        sizes = []
        for axis, size in enumerate(shape[:2]):
            step = along_axis(strides, axis)
            reach = (along_axis(window, axis) - 1) * along_axis(dilation, axis) + 1
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
    def _strides_or_dilates(self) -> Self:
        if self.strides not in (1, (1, 1)) and self.dilation_rate not in (1, (1, 1)):
            raise fault(
                f"strides and dilation_rate cannot both differ from 1; found {self.strides} and {self.dilation_rate}"
            )
        return self

    def _output_shape(self, shape: Shape) -> Shape:
        spatial = self._slide(shape, self.kernel_size, self.strides, self.padding, self.dilation_rate)
        return (*spatial[:2], self.filters)

    def num_parameters(self, shape: Shape) -> int:
        window = along_axis(self.kernel_size, 0) * along_axis(self.kernel_size, 1)
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
            step = along_axis(self.strides, axis)
            over = 0 if self.padding == "same" else max(along_axis(self.kernel_size, axis) - step, 0)
            sides.append(size * step + over)
        return (*sides, self.filters)

    def num_parameters(self, shape: Shape) -> int:
        """The weights of the kernels, and one bias per filter."""
        window = along_axis(self.kernel_size, 0) * along_axis(self.kernel_size, 1)
        return window * shape[2] * self.filters + self.use_bias * self.filters

    def multiply_adds(self, shape: Shape) -> int:
        """Roughly how many multiplications one photo takes: each weight once per position of the input."""
        return math.prod(shape[:2]) * self.num_parameters(shape)


class SeparableConv2D(_Convolution):
    """Convolves each channel with its own kernel, then mixes the channels by a 1 × 1 convolution."""

    depthwise_regularizer: Regularizer | None = None
    pointwise_regularizer: Regularizer | None = None

    @model_validator(mode="after")
    def _has_equal_strides(self) -> Self:
        _check_equal_strides(self.strides)
        return self

    def num_parameters(self, shape: Shape) -> int:
        """One kernel per channel, one weight per channel and filter, and one bias per filter."""
        window = along_axis(self.kernel_size, 0) * along_axis(self.kernel_size, 1)
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
    def _has_equal_strides(self) -> Self:
        _check_equal_strides(self.strides)
        return self

    def _output_shape(self, shape: Shape) -> Shape:
        return self._slide(shape, self.kernel_size, self.strides, self.padding)

    def num_parameters(self, shape: Shape) -> int:
        """One kernel and one bias per channel."""
        window = along_axis(self.kernel_size, 0) * along_axis(self.kernel_size, 1)
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


def _check_equal_strides(strides: Pair) -> None:
    """TensorFlow has depthwise convolutions for these only."""
    if along_axis(strides, 0) != along_axis(strides, 1):
        raise fault(f"strides must be the same along height and width; found {strides}")
