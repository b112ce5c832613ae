"""The layers that a network can have: one entry per kind, for params.yaml, uploaded models and the studio.

Names, arguments, defaults and the order of weights are those of Keras. Shapes are for one photo, without the batch
axis, and all sizes in them are known. Nothing here imports Keras.
"""

from dataclasses import replace
from typing import Final

from components.contract.layers.arguments import activation, finite_numbers
from components.contract.layers.attention import ATTENTION
from components.contract.layers.augmentation import AUGMENTATION
from components.contract.layers.checks import (
    Check,
    either,
    flag,
    ignored,
    integer,
    number,
    numbers,
    optional,
)
from components.contract.layers.kind import (
    BIAS,
    DRAWN,
    FORMAT,
    MAX_UNITS,
    PENALTY,
    RATE,
    UNITS,
    Kind,
    Merge,
    owned,
    shared,
)
from components.contract.layers.shapes import (
    along_channels,
    alpha,
    batch_weights,
    broadcast,
    dense_weights,
    flattened,
    gamma_beta,
    grouped,
    joined,
    normalization_weights,
    same,
    two,
)
from components.contract.layers.spatial import FORMS, PATTERNS, POOLS

NOT_TRAINED: Final = {"moving_mean", "moving_variance", "mean", "variance", "count"}
"""Weights that are not trained; Keras stores them after the others."""
FOREIGN_BUT_KNOWN: Final = {"LayerScale", "StochasticDepth"}
"""Layers that keras.applications defines for ConvNeXt; Keras registers them under `<package>><class>`."""


# Arguments that many kinds share

_SMALL = number(0, 1)
_EPSILON = _SMALL.by_default(1e-3)
_SCALED = {
    "center": flag.by_default(True),
    "scale": flag.by_default(True),
    **owned("beta", "gamma"),
    "epsilon": _EPSILON,
}
_INDEX = integer(-8, 8)
_AXES = either(_INDEX, numbers(_INDEX, 1, 8), expected="an axis from -8 to 8, or a list of axes")
_AXIS = _AXES.named("Axis").by_default(-1)


def _random(text: str, name: str, check: Check, **others: Check) -> Kind:
    """A kind of layer with a random effect during training, and no effect otherwise."""
    return Kind({name: check, **others, **DRAWN}, same, required=(name,), help=text)


# The kinds of layers

_STEADY: Final = {
    "BatchNormalization": Kind(
        {
            "axis": _AXIS,
            "momentum": _SMALL.by_default(0.99),
            **_SCALED,
            **owned("moving_mean", "moving_variance"),
            "renorm": ignored(False),
            "renorm_clipping": ignored(),
            "renorm_momentum": ignored(0.99),
            "synchronized": ignored(False),
            "fused": ignored(True, False),
            "virtual_batch_size": ignored(),
        },
        along_channels,
        batch_weights,
        help="Keeps the values of each channel in a stable range, which makes training faster and more stable.",
    ),
    "LayerNormalization": Kind(
        {"axis": _AXIS, **_SCALED, "rms_scaling": ignored(False)},
        same,
        gamma_beta,
        help="Keeps the values of each photo in a stable range.",
    ),
    "GroupNormalization": Kind(
        {"groups": integer(-1, MAX_UNITS).by_default(32), "axis": _AXIS, **_SCALED},
        grouped,
        gamma_beta,
        help="Like BatchNormalization, but also works with small batches.",
    ),
    "UnitNormalization": Kind({"axis": _AXIS}, same, help="Scales the values of each photo to length 1."),
    "Dropout": _random(
        "Sets values to 0 at random during training, to reduce overfitting.",
        "rate",
        RATE,
        noise_shape=optional(numbers(optional(integer(1, MAX_UNITS)), 1, 5)),
    ),
    "SpatialDropout2D": _random(
        "Sets whole channels to 0 at random during training.", "rate", RATE, noise_shape=ignored(), **FORMAT
    ),
    "GaussianDropout": _random("Multiplies values by noise during training.", "rate", RATE),
    "AlphaDropout": _random("Dropout that preserves mean and variance, for selu.", "rate", RATE, noise_shape=ignored()),
    "GaussianNoise": _random("Adds noise during training.", "stddev", number(0)),
    "ActivityRegularization": Kind(
        {"l1": number(0, 1e6).by_default(0.0), "l2": number(0, 1e6).by_default(0.0)},
        same,
        help="Penalizes large values: l1 by their absolute value, l2 by their square.",
    ),
    "StochasticDepth": Kind(
        {"drop_path_rate": RATE},
        same,
        required=("drop_path_rate",),
        help="Drops the residual branch of a photo at random during training.",
    ),
}
_VALUES: Final = {
    "Activation": Kind(
        {"activation": activation},
        same,
        required=("activation",),
        help="Applies an activation function to each value.",
    ),
    "ReLU": Kind(
        {
            "max_value": optional(number(0)),
            "negative_slope": number().by_default(0.0),
            "threshold": number().by_default(0.0),
        },
        same,
        help="Sets negative values to 0.",
    ),
    "LeakyReLU": Kind(
        {"negative_slope": number().by_default(0.3)}, same, help="Multiplies negative values by a small number."
    ),
    "PReLU": Kind(
        {"shared_axes": optional(numbers(integer(1, 3), 0, 3)), **owned("alpha")},
        same,
        alpha,
        help="Multiplies negative values by learned factors.",
    ),
    "ELU": Kind({"alpha": number().by_default(1.0)}, same, help="Saturates negative values smoothly at -alpha."),
    "Softmax": Kind({"axis": _AXIS}, same, help="Turns values into probabilities that sum to 1."),
    "Rescaling": Kind(
        {"scale": finite_numbers, "offset": finite_numbers.by_default(0.0)},
        same,
        required=("scale",),
        help="Multiplies each value by a number and adds a number.",
    ),
    "Normalization": Kind(
        {
            "axis": optional(_AXIS).by_default(-1),
            "mean": optional(finite_numbers),
            "invert": flag.by_default(False),
            "variance": optional(finite_numbers),
        },
        same,
        normalization_weights,
        help="Subtracts a mean and divides by a standard deviation.",
    ),
    "LayerScale": Kind(
        {"init_values": number(), "projection_dim": UNITS},
        same,
        lambda arguments, _shape: {"gamma": (arguments["projection_dim"],)},
        ("init_values", "projection_dim"),
        help="Multiplies each channel by a learned factor.",
    ),
    "Identity": Kind({}, same, help="Changes nothing; useful to name a position in the network."),
}
_JOINTS: Final = {
    **shared(
        Merge({}, broadcast),
        Add="Adds the output of an earlier layer: a shortcut.",
        Multiply="Multiplies by the output of an earlier layer: a gate.",
        Average="The mean of its inputs, element by element.",
        Maximum="The maximum of its inputs, element by element.",
        Minimum="The minimum of its inputs, element by element.",
    ),
    **shared(Merge({}, two), Subtract="Subtracts the output of an earlier layer."),
    **shared(
        Merge({"axis": integer(-8, 8).by_default(-1)}, joined),
        Concatenate="Appends the channels of an earlier layer's output.",
    ),
}
_DECISIONS: Final = {
    "Flatten": Kind(FORMAT, flattened, help="Flattens all values into one vector."),
    "Dense": Kind(
        {"units": UNITS, "activation": activation, **BIAS, **owned("kernel", "bias"), **PENALTY},
        lambda arguments, shape: (*shape[:-1], arguments["units"]),
        dense_weights,
        ("units",),
        help="Fully connected: each output is a weighted sum of all values.",
    ),
}

KINDS: Final[dict[str, Kind]] = {
    "InputLayer": Kind({}, same),
    **{
        name: replace(kind, group=group)
        for group, kinds in {
            "Find patterns": PATTERNS,
            "Make smaller": POOLS,
            "Classify": _DECISIONS,
            "Stabilize training": _STEADY,
            "Change values": _VALUES,
            "Change the shape": FORMS,
            "Join paths": _JOINTS,
            "Compare positions": ATTENTION,
            "Augment the photos": AUGMENTATION,
        }.items()
        for name, kind in kinds.items()
    },
}
"""The kinds of layers, by the name of their Keras class."""
