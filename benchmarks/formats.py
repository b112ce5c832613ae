"""Every export format for three networks: agreement with the service, size, and processor time for one photo.

The networks are MobileNetV2 and an uploaded EfficientNet-Lite0, whose heads are trained on 300 clothing photos, and a
custom network for the demo data. The process runs on one core and measures processor time, so other
programs on the machine hardly affect the results.

Requires real photos and weights in the folder that DARKROOM_SHARED names (default: `shared/` in the repository).
"""

import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from benchmarks.table import Row, SkipError
from benchmarks.tuning import find_photos_and_weights

if TYPE_CHECKING:
    from components.contract.artifacts.exported_model import Format
    from components.train.export.formats.export import ExportedModel

ON_REQUEST = "it trains three networks and exports each in five formats, which takes ten minutes; run it by name"

SIDE: Final = 224
NUM_PHOTOS: Final = {"train": 30, "validation": 10, "test": 10}
"""The number of photos of each of the ten classes, by split."""
SHORT: Final = {"epochs": 2, "early_stopping": None, "augmentation": "none"}
UPLOAD: Final = "efficientnet_lite0_224_no_top.keras"
NUM_TIMED: Final = 50


def measure() -> list[Row]:
    """Prints the table for docs/serving.md; returns a row for the float32 exports' largest probability difference."""
    photos_dir, weights = find_photos_and_weights()
    upload = weights.with_name(UPLOAD)
    if not upload.is_file():
        raise SkipError(f"no {UPLOAD} in {weights.parent}")
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    from components.train.export.graph import TOLERANCE

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ.update({"DARKROOM_CACHE": str(folder / "cache"), "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/m.db"})
        os.chdir(folder)
        copy_photos(photos_dir, folder / "photos")
        differences = [
            difference
            for title, run_dir in train_networks(folder, weights, upload).items()
            for difference in measure_network(title, run_dir, folder / "exported")
        ]
    return [
        Row(
            f"largest difference from the service's probabilities, {len(differences)} exports in float32",
            f"{max(differences):.1e}",
            f"{TOLERANCE:.0e} allowed",
            max(differences) / TOLERANCE,
            "<= 1",
        )
    ]


def copy_photos(source: Path, target: Path) -> None:
    """Copies random photos of each class in each split; every run draws the same photos."""
    rng = np.random.default_rng(0)
    for split, number in NUM_PHOTOS.items():
        for class_dir in sorted((source / split).iterdir()):
            (target / split / class_dir.name).mkdir(parents=True)
            photos = sorted(class_dir.iterdir())
            for index in rng.choice(len(photos), number, replace=False):
                shutil.copy(photos[index], target / split / class_dir.name)


def train_networks(folder: Path, weights: Path, upload: Path) -> dict[str, Path]:
    """Trains the three networks; returns the folder of each run, by the title of its network."""
    import darkroom

    models: dict[str, dict[str, Any]] = {
        "MobileNetV2, 224 px": {"kind": "pretrained", "name": "MobileNetV2", "weights": str(weights), "head": "linear"},
        "upload, EfficientNet-Lite0, 224 px": {"path": str(upload), "head": "linear"},
    }
    digits_run = darkroom.run(darkroom.write_demo_data(folder / "digits"), train=SHORT)
    photo_runs = {
        title: darkroom.run(folder / "photos", preprocess={"image_size": SIDE}, train=SHORT | {"model": model}).path
        for title, model in models.items()
    }
    return {**photo_runs, "custom network, digits of 8 px": digits_run.path}


def measure_network(title: str, run_dir: Path, target_dir: Path) -> list[float]:
    """Exports a model to each format and prints table rows; returns the float32 exports' probability differences."""
    from components.contract.artifacts.exported_model import FORMATS
    from components.train.export.formats.export import export_model

    differences = []
    for format_name in FORMATS:
        target = target_dir / run_dir.name / format_name
        exported = export_model(run_dir / "dataset", run_dir / "model", run_dir / "evaluation", target, format_name)
        print(table_row(title, exported, time_photo(target, run_dir / "dataset", format_name)), flush=True)
        title = ""
        if format_name != "litert-int8":
            differences.append(exported.max_probability_difference)
    return differences


def table_row(title: str, exported: "ExportedModel", milliseconds: float) -> str:
    """Formats a row of the table in Markdown."""
    cells = (
        title,
        f"`{exported.format}`",
        f"{exported.same_label} of {exported.num_photos}",
        f"{exported.max_probability_difference:.2g}",
        f"{exported.size_bytes / 1e6:.1f}",
        f"{milliseconds:.1f}" if milliseconds >= 1 else f"{milliseconds:.2f}",
    )
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


def time_photo(folder: Path, dataset_dir: Path, format_name: "Format") -> float:
    """Measures the milliseconds of processor time for one photo, without decoding: the median of NUM_TIMED calls."""
    from components.contract.artifacts.dataset import open_split
    from components.train.export.formats.export import WRITERS

    ask = WRITERS[format_name][1](folder)
    photo = open_split(dataset_dir, "test").gather(np.arange(1))
    ask(photo)
    milliseconds = []
    for _ in range(NUM_TIMED):
        start_time = time.process_time()
        ask(photo)
        milliseconds.append(1000 * (time.process_time() - start_time))
    return statistics.median(milliseconds)
