"""Classifies photos with the model in this folder: `python predict.py PHOTO…`.

Needs numpy, pillow and the runtime of the model: tensorflow (savedmodel), onnxruntime (onnx), ai-edge-litert (litert,
litert-int8) or openvino (openvino).
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

FOLDER = Path(__file__).resolve().parent
CARD = json.loads((FOLDER / "model.json").read_text(encoding="utf-8"))


def load() -> Callable[[np.ndarray], Any]:
    """Loads the model as a function from uint8 (1, height, width, 3), RGB, to probabilities (1, classes)."""
    if CARD["format"] == "savedmodel":
        import tensorflow as tf

        saved_model = tf.saved_model.load(FOLDER / "1").signatures["serving_default"]
        return lambda pixels: saved_model(pixels=tf.constant(pixels))["probabilities"].numpy()
    if CARD["format"] == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(FOLDER / "model.onnx", providers=["CPUExecutionProvider"])
        return lambda pixels: session.run(["probabilities"], {"pixels": pixels})[0]
    if CARD["format"] == "openvino":
        import openvino

        compiled = openvino.Core().compile_model(FOLDER / "model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        return lambda pixels: compiled({0: pixels})["probabilities"]
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(FOLDER / "model.tflite"))
    run = interpreter.get_signature_runner()
    return lambda pixels: run(pixels=pixels)["probabilities"]


def read_photo(path: str) -> np.ndarray:
    """Reads the pixels of a photo as the model expects them: uint8 (1, height, width, 3), RGB."""
    photo = ImageOps.exif_transpose(Image.open(path))
    height, width = CARD["image_size"]
    if photo.mode.startswith("I;16"):
        black, white = CARD["pixel_range"]
        values = (np.asarray(photo, np.float32) - black) * 255 / (white - black)
        photo = Image.fromarray(values.round().clip(0, 255).astype(np.uint8))
    if photo.has_transparency_data:
        canvas = Image.new("RGBA", photo.size, "white")
        photo = Image.alpha_composite(canvas, photo.convert("RGBA"))
    photo = photo.convert("RGB")
    scales = height / photo.height, width / photo.width
    if CARD["resize"] == "crop":
        inner = round(width / max(scales)), round(height / max(scales))
        left, top = (photo.width - inner[0]) // 2, (photo.height - inner[1]) // 2
        photo = photo.crop((left, top, left + inner[0], top + inner[1]))
    if CARD["resize"] == "pad":
        inner = round(photo.width * min(scales)), round(photo.height * min(scales))
        canvas = Image.new("RGB", (width, height))
        canvas.paste(scale(photo, inner), ((width - inner[0]) // 2, (height - inner[1]) // 2))
        photo = canvas
    return np.asarray(scale(photo, (width, height)))[np.newaxis]


def scale(photo: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Shrinks a photo by averaging areas, then enlarges it by linear interpolation, each side as needed."""
    smaller = min(size[0], photo.width), min(size[1], photo.height)
    return photo.resize(smaller, Image.Resampling.BOX).resize(size, Image.Resampling.BILINEAR)


def main() -> None:
    """Prints the most probable class of each photo."""
    predict = load()
    for path in sys.argv[1:]:
        probabilities = np.asarray(predict(read_photo(path)))[0]
        best = int(probabilities.argmax())
        print(f"{path}\t{CARD['class_names'][best]}\t{probabilities[best]:.4f}")  # noqa: T201 - the result of a program


if __name__ == "__main__":
    main()
