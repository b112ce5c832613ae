"""ONNX, for ONNX Runtime and other runtimes: <target>/model.onnx."""

import logging
import warnings
from pathlib import Path
from typing import Final

from components.train.export.formats.source import INPUT, Ask, Source, needs_formats, unsupported_error

OPSET: Final = 18


def write_onnx(source: Source, folder: Path) -> None:
    """Writes the model.

    Raises:
        ModelError: the `formats` extra is not installed, or ONNX has no equivalent for one of the layers.
    """
    import tensorflow as tf

    with needs_formats("ONNX"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tf2onnx uses deprecated NumPy names
        import onnx
        import onnxruntime  # noqa: F401 - load_onnx needs it
        import tf2onnx
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    signature = [source.signature()]
    function = tf.function(source.answer, input_signature=signature, autograph=False)
    try:
        model, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=OPSET)
    except Exception as error:  # the converter's errors have no common base class
        raise unsupported_error("ONNX", source, str(error)) from None
    # tf2onnx keeps unknown operations in the file, which is then invalid.
    for node in model.graph.node:
        if not onnx.defs.has(node.op_type, node.domain):
            raise unsupported_error("ONNX", source, f"{node.name}: the {node.op_type} op is unknown")
    onnx.save(model, folder / "model.onnx")


def load_onnx(folder: Path) -> Ask:
    """Loads the model with ONNX Runtime.

    Raises:
        Exception: the file is invalid; the type depends on ONNX Runtime.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    return lambda pixels: session.run(["probabilities"], {INPUT: pixels})[0]
