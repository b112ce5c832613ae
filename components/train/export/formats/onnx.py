"""ONNX, for ONNX Runtime and everything that reads it: <target>/model.onnx."""

import logging
import warnings
from pathlib import Path
from typing import Final

from components.train.export.formats.source import INPUT, Ask, Source, needs_formats, unsupported_error

OPSET: Final = 18


def write_onnx(source: Source, folder: Path) -> None:
    """Writes the model.

    Raises:
        ModelError: the extra `formats` is not installed, or ONNX has no equivalent of a layer.
    """
    import tensorflow as tf

    with needs_formats("ONNX"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tf2onnx, about NumPy's old names
        import onnx
        import onnxruntime  # noqa: F401 - the written model is loaded with it
        import tf2onnx
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    signature = [source.signature()]
    function = tf.function(source.answer, input_signature=signature, autograph=False)
    try:
        model, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=OPSET)
    except Exception as error:  # the converter's own errors have no common root
        raise unsupported_error("ONNX", source, str(error)) from None
    # tf2onnx leaves an operation that it does not know in the file, which is then invalid.
    for node in model.graph.node:
        if not onnx.defs.has(node.op_type, node.domain):
            raise unsupported_error("ONNX", source, f"{node.name}: the {node.op_type} op is unknown")
    onnx.save(model, folder / "model.onnx")


def load_onnx(folder: Path) -> Ask:
    """Loads the model with ONNX Runtime.

    Raises:
        Exception: the file is invalid, in ONNX Runtime's own words.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    return lambda pixels: session.run(["probabilities"], {INPUT: pixels})[0]
