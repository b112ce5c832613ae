"""The model bundle: written by train; read by evaluate and deploy.

bundle.json          BundleInfo
model.keras          the network in Keras' own format; its input is uint8 RGB, its output is logits
train_image_ids.txt  the training photos, one image_id per line, sorted
history.json         per-epoch metrics: {"loss": [...], "val_loss": [...], ...}
augmentation.jpg     eight augmented variants of one training photo
export/              the inference graph, which is evaluated and served: model.xml, model.bin (OpenVINO IR)
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Literal

from components.contract.artifacts.dataset import FULL_RANGE, PixelRange, Source
from components.contract.artifacts.probe import Probe
from components.contract.record import StrictRecord
from components.contract.system.atomic_files import read_json, write_file

FORMAT_VERSION: Final = 1


class ModelFacts(StrictRecord):
    """The network: its origin, its size and its trained layers."""

    kind: str
    name: str
    num_parameters: int
    num_trained_parameters: int
    trained_layers: tuple[str, ...]
    num_layers: int
    weights_sha256: str | None = None
    """SHA-256 of the pretrained weights file, if one was loaded."""
    uploaded_sha256: str | None = None
    """SHA-256 of the uploaded file, if there was one."""
    imported_sha256: str | None = None
    """SHA-256 of the model file that was rebuilt from the uploaded file and loaded for training."""
    from_mlflow_run_id: str | None = None
    """The MLflow run of the earlier model that this training run started from."""


class ExportFacts(StrictRecord):
    """The outputs of the exported graph, and how far they differ from those of the Keras model."""

    outputs: tuple[Literal["logits", "embedding", "feature_map"], ...]
    precision: Literal["float32", "int8"] = "float32"
    max_probability_difference: float
    """The largest difference between the probabilities of the exported graph and of the Keras model; for int8, between
    those of the int8 graph and of the float32 graph, which was itself compared with the Keras model."""
    num_compared: int
    sha256: str
    """SHA-256 of model.xml followed by model.bin."""


class BudgetFacts(StrictRecord):
    """The time limit of a run, and how much of it training used."""

    minutes: float
    """The time limit for the whole run."""
    estimated_seconds: float | None
    """The duration of the whole run, estimated before training; None if the run resumed an interrupted one."""
    plan: str
    is_cut: bool = False
    """Whether training stopped before all planned epochs were done."""


class BundleInfo(StrictRecord):
    """The content of bundle.json."""

    format_version: Literal[1] = FORMAT_VERSION
    dataset_name: str
    dataset_fingerprint: str
    source: Source
    class_names: tuple[str, ...]
    image_size: tuple[int, int]
    """(height, width) in pixels."""
    resize: Literal["stretch", "crop", "pad"]
    pixel_range: PixelRange = FULL_RANGE
    model: ModelFacts
    params: dict[str, Any]
    """The section `train` of the params, resolved."""
    export: ExportFacts
    library_versions: dict[str, str]
    epochs_run: int
    best_epoch: int
    """Counted from 1; the weights of this epoch were kept."""
    budget: BudgetFacts | None = None
    """None if train.minutes is not set."""
    probe: Probe | None = None
    """None if the params name the network, so that none was probed."""
    mlflow_run_id: str | None = None


def read_bundle(bundle_dir: Path) -> BundleInfo:
    """Reads bundle.json.

    Raises:
        ArtifactError: the file is missing or damaged, or has an unsupported format version.
    """
    return read_json(bundle_dir / "bundle.json", BundleInfo, "model bundle")


def write_train_image_ids(bundle_dir: Path, image_ids: Iterable[str]) -> None:
    """Writes the ids of the training photos, so that no later comparison scores the model on them."""
    write_file(bundle_dir / "train_image_ids.txt", "".join(f"{name}\n" for name in sorted(image_ids)).encode())


def read_train_image_ids(bundle_dir: Path) -> frozenset[str] | None:
    """The ids of the training photos; None if the bundle does not list them."""
    path = bundle_dir / "train_image_ids.txt"
    return frozenset(path.read_text(encoding="utf-8").split()) if path.exists() else None
