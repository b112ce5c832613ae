"""The formats that a model can be exported to, and model.json, which accompanies every exported model."""

from typing import Final, Literal, get_args

from components.contract.artifacts.dataset import PixelRange
from components.contract.record import StrictRecord

Format = Literal["savedmodel", "onnx", "litert", "litert-int8", "openvino"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)


class ExportedModelCard(StrictRecord):
    """The content of model.json: everything that a program needs in addition to the model file."""

    format: Format
    class_names: tuple[str, ...]
    """In the order of the model's output probabilities."""
    image_size: tuple[int, int]
    """(height, width) in pixels."""
    resize: Literal["stretch", "crop", "pad"]
    pixel_range: PixelRange
    """The values that map to black and to white in 16-bit photos."""
    abstention_threshold: float | None
    """A prediction with a lower probability than this counts as a guess; None if evaluation found no threshold."""
    dataset_fingerprint: str
    mlflow_run_id: str | None
