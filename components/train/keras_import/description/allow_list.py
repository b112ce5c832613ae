"""Checks that every name in a model's description is on an allow-list.

In Keras' file formats, nested dicts contain the names of classes, functions and modules. Keras' loader looks these
names up, which can run code; Darkroom never looks up a name. This first pass walks every dict of the network, including
unused ones (such as the shapes with which layers were built), and rejects names that are not on the list. The compile
config is not part of the network: `strict_json` drops it without reading it.
"""

from collections.abc import Iterator
from typing import Any, Final

from components.contract.errors import UploadError
from components.contract.layers.arguments import CONSTRAINTS, INITIALIZERS, REGULARIZERS
from components.contract.layers.catalog import FOREIGN_BUT_KNOWN, KINDS
from components.contract.validation_messages import suggestion

MODELS: Final = {"Functional", "Model", "Sequential"}
OPERATIONS: Final = {"Add", "Divide", "Multiply", "Subtract", "TrueDivide"}
"""Arithmetic with a number, as in `x / 255`; it becomes a Rescaling layer."""
LEGACY_KINDS: Final = dict.fromkeys(("BatchNormalizationV1", "BatchNormalizationV2"), "BatchNormalization")
"""The layer names that TensorFlow 1.13 to 1.15 and 2.0 used, and the current names."""
LEGACY_OPERATIONS: Final = {"TFOpLambda"}
"""Arithmetic in Keras 2; its function is checked when it is parsed."""

_PLUMBING: Final = {
    "__keras_tensor__",
    "__tuple__",
    "DTypePolicy",
    "Policy",
    "SeedGenerator",
    "TensorShape",
    "InputSpec",
}

_KNOWN: Final = {
    *KINDS,
    *MODELS,
    *OPERATIONS,
    *LEGACY_OPERATIONS,
    *INITIALIZERS,
    *REGULARIZERS,
    *CONSTRAINTS,
    *_PLUMBING,
    *LEGACY_KINDS,
}

_MODULES: Final = ("keras", "tf_keras", "builtins")
"""The top-level modules of the classes in files from Keras 2 and 3. The names are compared, never imported."""

_WHY: Final = {
    "Lambda": "it contains custom code",
    "__lambda__": "it contains custom code",
    "TFSMLayer": "it loads a TensorFlow program from a folder",
    "TorchModuleWrapper": "it unpickles a PyTorch module, which can run any code",
    "JaxLayer": "it calls a custom function",
    "FlaxLayer": "it calls a custom function",
    "function": "it refers to a custom function",
    "TextVectorization": "it reads a vocabulary from a file or a URL",
    "StringLookup": "it reads a vocabulary from a file or a URL",
    "IntegerLookup": "it reads a vocabulary from a file or a URL",
    "Hashing": "it is for text, not photos",
    "TimeDistributed": "it wraps another layer, which image classifiers do not need",
    "Bidirectional": "it wraps another layer, which image classifiers do not need",
    "Wrapper": "it wraps another layer, which image classifiers do not need",
    "SpectralNormalization": "it wraps another layer, which image classifiers do not need",
}

_FOR_LABELS: Final = "it mixes labels as well as photos, which a network cannot do; set train.mixup or train.cutmix"
_FOR_SEQUENCES: Final = "it is a Keras layer for sequences or volumes, not for photos"
_NOT_REBUILT: Final = "it is a Keras layer that Darkroom does not support"
_WHY_KERAS: Final = {
    "CutMix": _FOR_LABELS,
    "MixUp": _FOR_LABELS,
    "MaxNumBoundingBoxes": "it is for bounding boxes, not for classes of photos",
    "Pipeline": "it contains other layers; put them into the model one after another",
    **dict.fromkeys(
        (
            *(f"{name}{rank}D" for name in ("Conv", "MaxPooling", "AveragePooling", "Cropping") for rank in (1, 3)),
            *(f"{name}{rank}D" for name in ("UpSampling", "ZeroPadding", "SpatialDropout") for rank in (1, 3)),
            *(
                "Conv1DTranspose",
                "Conv3DTranspose",
                "DepthwiseConv1D",
                "ConvLSTM1D",
                "ConvLSTM2D",
                "ConvLSTM3D",
                "SeparableConv1D",
                "RNN",
                "SimpleRNN",
                "GRU",
                "LSTM",
            ),
            *("SimpleRNNCell", "GRUCell", "LSTMCell", "StackedRNNCells", "Embedding", "ReversibleEmbedding"),
            *("Masking", "MelSpectrogram", "STFTSpectrogram", "GlobalAveragePooling3D", "GlobalMaxPooling3D"),
        ),
        _FOR_SEQUENCES,
    ),
    **dict.fromkeys(
        (
            *(f"Adaptive{name}Pooling{rank}D" for name in ("Average", "Max") for rank in (1, 2, 3)),
            *("CategoryEncoding", "Discretization", "HashedCrossing", "Dot", "EinsumDense", "RMSNormalization"),
            *("RepeatVector", "ContrastLimitedAdaptiveHistogramEqualization", "AutoContrast"),
        ),
        _NOT_REBUILT,
    ),
    "Equalization": "Keras itself cannot connect it to other layers, because it returns its input tensor",
}
"""Keras layers that are rejected although they contain no code."""

_FILES: Final = ("vocabulary", "idf_weights", "filepath", "file_path", "filename", "url", "vocabulary_file", "asset")
"""Arguments that refer to files outside the upload."""


def sweep(tree: dict[str, Any], root: str) -> None:
    """Checks every dict of a description; the limit on its depth bounds the recursion.

    Args:
        tree: the JSON.
        root: the name of the file for error messages, such as `config.json`.

    Raises:
        UploadError: a class, module or registered name is not on the list, or an argument refers to an external file;
            the message names it.
    """
    for where, node in _dicts(tree, root):
        name = node.get("class_name")
        if name is not None:
            _check_class(name, node, where)
        for key in _FILES:
            if node.get(key) not in (None, [], "", {}):
                raise UploadError(
                    f"An uploaded model must be self-contained; {where}.{key} refers to an external "
                    f"file: {str(node[key])[:80]!r}. Remove that layer and save the model again."
                )


def _dicts(tree: Any, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields every dict with its path, outer dicts first."""
    if isinstance(tree, dict):
        label = _label(tree)
        where = f"{where} ({label})" if label else where
        yield where, tree
        for key, value in tree.items():
            yield from _dicts(value, f"{where}.{key[:40]}")
    elif isinstance(tree, list):
        for place, value in enumerate(tree):
            yield from _dicts(value, f"{where}[{place}]")


def _label(node: dict[str, Any]) -> str:
    config = node.get("config")
    name = node.get("name") or (config.get("name") if isinstance(config, dict) else None)
    return f"{name!r}"[:60] if isinstance(name, str) and "class_name" in node else ""


def _check_class(name: Any, node: dict[str, Any], where: str) -> None:
    if not isinstance(name, str) or name not in _KNOWN:
        raise refusal(name, where, node.get("module"))
    module, registered = node.get("module"), node.get("registered_name")
    if module is not None and (not isinstance(module, str) or module.split(".")[0] not in _MODULES):
        raise UploadError(
            f"The layers of an uploaded model must be Keras layers; {where} is {name} from the module "
            f"{str(module)[:80]!r}, whose code Darkroom does not run. Rebuild it with Keras layers and "
            "save it again."
        )
    if registered not in (None, name) and not (name in FOREIGN_BUT_KNOWN and str(registered).endswith(f">{name}")):
        raise UploadError(
            f"The layers of an uploaded model must be Keras layers; {where} is {name}, registered as "
            f"{str(registered)[:80]!r}, whose code Darkroom does not run. Rebuild it with Keras layers "
            "and save it again."
        )


def refusal(name: Any, where: str, module: Any = None) -> UploadError:
    """Creates the error for a class that is not on the list."""
    text = str(name)[:80]
    why = _WHY.get(text) or _WHY_KERAS.get(text)
    hint = "" if why else suggestion(text, KINDS, 0.75)
    if why is None and str(module).startswith("keras.src.ops"):
        why, hint = "it is a Keras operation; the only supported ones are +, -, * and / with a constant number", ""
    return UploadError(
        f"An uploaded model must consist of Keras layers that Darkroom supports; {where} is {text}{hint}: "
        f"{why or 'Darkroom does not know it, and never runs code from an upload'}. Replace it with other Keras "
        "layers, or save the model without it."
    )
