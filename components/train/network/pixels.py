"""From the pixels of a photo to what a network was trained on: layers, so that the exported graph holds them.

Only layers without weights are used, of the kinds that the safe import knows: every network that Darkroom trains can be
brought again.
"""

from typing import TYPE_CHECKING, Final

from components.contract.errors import ModelError
from components.contract.layers.backbone_facts import SCALES, BackboneScale

if TYPE_CHECKING:
    import keras

_LUMA: Final = (0.299, 0.587, 0.114)
"""ITU-R BT.601, as Pillow, OpenCV and TensorFlow have it."""


def scale_pixels(pixels: "keras.KerasTensor", scale: BackboneScale) -> "keras.KerasTensor":
    """Pixels as a network takes them.

    Args:
        pixels: (batch, height, width, 3), RGB, or (batch, height, width, 1), from 0 to 255.
        scale: what the network takes.

    Returns:
        float32, of the same shape.

    Raises:
        ModelError: the scale is one of colors, and the pixels are gray.
    """
    import keras

    factor, offset = SCALES[scale]
    if isinstance(offset, list) and pixels.shape[-1] == 1:
        raise ModelError(
            "train.model.pixels must be 0 to 255, -1 to 1 or 0 to 1 for a network of gray photos; "
            f"{scale} is for colors."
        )
    name = "division" if scale == "ImageNet mean and root of deviation" else "rescaling"  # Keras' own is next
    rescaled = keras.layers.Rescaling(factor, offset=offset, name=name)(pixels)
    return _reverse_channels(rescaled) if scale.startswith("BGR") else rescaled


def to_gray(pixels: "keras.KerasTensor") -> "keras.KerasTensor":
    """float32 (batch, height, width, 1) from 0 to 255, of RGB pixels."""
    import keras

    height, width = pixels.shape[1:3]
    weighed = keras.layers.Rescaling([3 * weight for weight in _LUMA], name="luma")(pixels)
    in_a_row = keras.layers.Reshape((height, width * 3, 1), name="luma_row")(weighed)
    return keras.layers.AveragePooling2D((1, 3), name="grey")(in_a_row)


def shrink(photos: "keras.KerasTensor", image_size: tuple[int, int]) -> "keras.KerasTensor":
    """Photos at the size that the network sees: means over whole pixels first, so that none is passed over.

    Args:
        photos: float32 (batch, height, width, channels).
        image_size: (height, width), not larger.
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
