"""Templates for custom networks."""

from typing import Any, Final

from components.contract.layers.stack import dump_layer
from components.contract.params.resolve import SMALL_CNN


def _make_conv(filters: int, **more: Any) -> dict[str, Any]:
    return {"Conv2D": {"filters": filters, "kernel_size": 3, "padding": "same", "activation": "relu", **more}}


TEMPLATES: Final[tuple[dict[str, Any], ...]] = (
    {
        "name": "Small",
        "help": "Good for tiny pictures, such as digits. Darkroom's default for them.",
        "layers": [dump_layer(layer) for layer in SMALL_CNN],
    },
    {
        "name": "Classic",
        "help": "Blocks of convolutions and pooling, for photos of about 64 to 128 pixels.",
        "layers": [
            _make_conv(32),
            "MaxPooling2D",
            _make_conv(64),
            "MaxPooling2D",
            _make_conv(128),
            "MaxPooling2D",
            "GlobalAveragePooling2D",
            {"Dense": {"units": 128, "activation": "relu"}},
            {"Dropout": {"rate": 0.4}},
        ],
    },
    {
        "name": "Shortcuts",
        "help": "Residual blocks: layers that learn only what to add to their input. Deeper, yet stable to train.",
        "layers": [
            _make_conv(32, name="start"),
            _make_conv(32),
            _make_conv(32, name="first"),
            {"Add": {"with": "start", "name": "one"}},
            "MaxPooling2D",
            _make_conv(64, name="wide"),
            _make_conv(64),
            _make_conv(64),
            {"Add": {"with": "wide"}},
            "GlobalAveragePooling2D",
            {"Dropout": {"rate": 0.3}},
        ],
    },
    {
        "name": "Light",
        "help": "Separable convolutions, with a fraction of the usual weights and computation.",
        "layers": [
            _make_conv(24, strides=2),
            *(
                {"SeparableConv2D": {"filters": filters, "kernel_size": 3, "padding": "same", "activation": "relu"}}
                for filters in (48, 96)
            ),
            "GlobalAveragePooling2D",
            {"Dropout": {"rate": 0.2}},
        ],
    },
    {
        "name": "Plain",
        "help": "No convolutions: an early kind of network, for comparison.",
        "layers": ["Flatten", {"Dense": {"units": 128, "activation": "relu"}}, {"Dropout": {"rate": 0.3}}],
    },
)
