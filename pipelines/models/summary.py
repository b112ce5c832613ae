"""Describes the network that params define, without training it, for `darkroom model summary`."""

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from components.contract.errors import DataError
from components.contract.params.resolve import Resolution, resolve
from pipelines.run_options import read_params, resolve_data

if TYPE_CHECKING:
    from components.train.network.summary import NetworkSummary

PHOTO_SIZE: Final = (480, 640)
"""The height and width that are assumed if the photos cannot be read."""


def resolve_model(data: str | None, params: Path | None, settings: Iterable[str]) -> Resolution:
    """Resolves `auto` values for the data or, if the data cannot be read, for photos of PHOTO_SIZE."""
    from components.train.network.candidates import inspect_initial_model

    if data is None and params is None and not Path("params.yaml").exists():
        data = "photos"
    try:
        return resolve_data(data, params, settings)
    except DataError:
        unresolved = read_params(data, params, settings)
    unresolved, given_model = inspect_initial_model(unresolved)
    return resolve(unresolved, native_size=PHOTO_SIZE, data_name="photos", initial_model=given_model)


def summarize_model(resolution: Resolution, num_classes: int, drawing_path: Path) -> "NetworkSummary":
    """Builds the network, computes its size and cost, and draws its layers as SVG.

    Args:
        resolution: the resolved params.
        num_classes: the number of classes; ignored if the model keeps its own output layer.
        drawing_path: the path of the drawing.
    """
    from components.contract.system.atomic_files import write_file
    from components.train.network.initial_model import import_initial_model
    from components.train.tensorflow.start import start_tensorflow

    train, size = resolution.params.train, resolution.params.preprocess.size
    with tempfile.TemporaryDirectory(prefix="darkroom-model-") as scratch:
        initial_model = import_initial_model(
            train.model, train.input_size(size), class_names=None, folder=Path(scratch) / "model"
        )
        start_tensorflow(train.seed)
        from components.train.network.architecture import build_network
        from components.train.network.drawing import draw
        from components.train.network.summary import summarize_network

        if initial_model is not None and initial_model.layer is None:
            num_classes = initial_model.facts.num_outputs or num_classes
        network = build_network(
            train.model,
            image_size=size,
            num_classes=num_classes,
            batch_size=train.batch_size,
            initial_model=initial_model,
            input_size=train.input_size(size),
        )
    summary = summarize_network(network, train.batch_size)
    write_file(drawing_path, draw(summary.rows, network.model.name).encode())
    return summary
