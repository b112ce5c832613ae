"""Checks a model file without starting a run, for `darkroom model check`."""

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from components.contract.params.pipeline import load_params

if TYPE_CHECKING:
    from components.train.network.upload_check import Report


def check_model(
    file: Path,
    *,
    architecture: str | None,
    image_size: tuple[int, int] | None,
    num_classes: int | None,
    data: str | None,
    settings: Iterable[str],
) -> "Report":
    """Checks whether a model file is safe, and whether train accepts it.

    Args:
        file: a .keras or .h5 file, or a zip file that contains one.
        architecture: the network of a file that contains only weights.
        image_size: (height, width) for the architecture; None for its default.
        num_classes: the number of classes for which the model must be usable unchanged; None for no such check.
        data: the address of photos for whose classes the model must be usable unchanged; None for no such check.
        settings: the params to change, each as `train.model.key=value`.
    """
    from components.train.network.upload_check import check_upload

    overrides = [f"data.uri={json.dumps(data or '.')}", *settings, f"train.model.path={json.dumps(str(file))}"]
    if architecture:
        overrides.append(f"train.model.name={architecture}")
    return check_upload(
        file,
        load_params(None, tuple(overrides)).train.model,
        num_classes=num_classes,
        class_names=_find_class_names(data) if data else None,
        image_size=image_size,
    )


def _find_class_names(data: str) -> tuple[str, ...]:
    """Reads the class names of photos."""
    from components.preprocess.sources.source import find_photos, open_data

    with tempfile.TemporaryDirectory(prefix="darkroom-classes-") as scratch, open_data(data, Path(scratch)) as folder:
        return find_photos(folder).class_names
