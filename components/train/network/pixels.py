"""Converts the pixels of a photo to a network's pixel range, with layers that become part of the exported graph.

The layers have no weights, and the safe import supports them, so that every network that Darkroom trains can be
imported again.
"""

from typing import TYPE_CHECKING, Final

from components.contract.errors import ModelError
from components.contract.layers.backbone_facts import SCALES, BackboneScale

if TYPE_CHECKING:
    import keras

_LUMA: Final = (0.299, 0.587, 0.114)
"""The weights of red, green and blue in ITU-R BT.601, as in Pillow, OpenCV and TensorFlow."""


def scale_pixels(pixels: "keras.KerasTensor", scale: BackboneScale) -> "keras.KerasTensor":
    """Scales pixels to the range that a network expects.

    Args:
        pixels: (batch, height, width, 3), RGB, or (batch, height, width, 1), gray, from 0 to 255.
        scale: the pixel range of the network.

    Returns:
        The scaled pixels: float32, of the same shape.

    Raises:
        ModelError: the scale is for color photos, but the pixels are gray.
    """
    import keras

    factor, offset = SCALES[scale]
    if isinstance(offset, list) and pixels.shape[-1] == 1:
        raise ModelError(
            "train.model.pixels must be 0 to 255, -1 to 1 or 0 to 1 for a network that expects gray photos; "
            f"{scale} is for color photos."
        )
    # Keras' EfficientNet, which uses this scale, already contains a layer named "rescaling".
    name = "division" if scale == "ImageNet mean and root of deviation" else "rescaling"
    rescaled = keras.layers.Rescaling(factor, offset=offset, name=name)(pixels)
    return _reverse_channels(rescaled) if scale.startswith("BGR") else rescaled


def to_gray(pixels: "keras.KerasTensor") -> "keras.KerasTensor":
    """Converts RGB pixels to float32 (batch, height, width, 1), gray, from 0 to 255."""
    import keras

    height, width = pixels.shape[1:3]
    weighed = keras.layers.Rescaling([3 * weight for weight in _LUMA], name="luma")(pixels)
    in_a_row = keras.layers.Reshape((height, width * 3, 1), name="luma_row")(weighed)
    return keras.layers.AveragePooling2D((1, 3), name="grey")(in_a_row)


def shrink(photos: "keras.KerasTensor", image_size: tuple[int, int]) -> "keras.KerasTensor":
    """Scales photos down to the network's input size; averages windows of pixels first, so that no pixel is skipped.

    Args:
        photos: float32 (batch, height, width, channels).
        image_size: (height, width), not larger than the photos.
    """
    import keras

    height, width = photos.shape[1:3]
    window = height // image_size[0], width // image_size[1]
    if max(window) > 1:
        photos = keras.layers.AveragePooling2D(window, name="shrunk")(photos)
    if tuple(photos.shape[1:3]) != image_size:
        photos = keras.layers.Resizing(*image_size, name="resized")(photos)
    return photos


def _reverse_channels(rgb: "keras.KerasTensor") -> "keras.KerasTensor":
    import keras

    height, width, channels = rgb.shape[1:]
    in_a_row = keras.layers.Reshape((height * width, channels, 1), name="channels_row")(rgb)
    turned = [
        keras.layers.Cropping2D(((0, 0), (place, channels - 1 - place)), name=f"channel_{place}")(in_a_row)
        for place in reversed(range(channels))
    ]
    joined = keras.layers.Concatenate(axis=2, name="channels_turned")(turned)
    return keras.layers.Reshape((height, width, channels), name="bgr")(joined)
