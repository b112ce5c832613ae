"""The bento folder: written by deploy; read to serve, predict and trace.

deployment.json   DeploymentInfo
bento/            the built bento, which `bentoml serve` accepts; below bento/src:
    service.json      ServiceFacts
    export/           the inference graph: model.xml, model.bin
    calibration.json  and familiarity.npz; only if evaluation calibrated the model
    samples/          sample photos that users can try on the page, and samples.json
    components/       only the code that the service needs
"""

from pathlib import Path
from typing import Final, Literal

from components.contract.artifacts.dataset import FULL_RANGE, PixelRange, Source
from components.contract.artifacts.figures import SplitFigures
from components.contract.record import StrictRecord
from components.contract.system.atomic_files import read_json

FORMAT_VERSION: Final = 1


class Lineage(StrictRecord):
    """The origin of a served model."""

    mlflow_run_id: str | None
    dataset_fingerprint: str
    source: Source
    export_sha256: str


class ServiceFacts(StrictRecord):
    """The content of service.json: everything that the service needs, except the inference graph."""

    tag: str
    """name:version of the bento; the version is a digest of all packed files."""
    class_names: tuple[str, ...]
    image_size: tuple[int, int]
    """(height, width) in pixels."""
    resize: Literal["stretch", "crop", "pad"]
    pixel_range: PixelRange = FULL_RANGE
    lineage: Lineage
    model: str | None = None
    """The name of the network."""
    precision: Literal["float32", "int8"] = "float32"
    """The precision of the inference graph."""
    test: SplitFigures | None = None
    """The headline figures of the evaluation on the test photos."""
    verdict: str | None = None
    """The verdict of the gate."""
    calibrated: bool = False
    """Whether the probabilities are calibrated; otherwise they are plain softmax outputs, which are often
    overconfident."""


class ServiceCheck(StrictRecord):
    """The result of starting the built service and sending it the golden photos."""

    num_photos: int
    max_probability_difference: float
    """The largest difference between a probability from the service and the corresponding one from the evaluation."""
    latency_p50_ms: float
    """Median latency of one photo over HTTP, with the client on the same machine."""
    ready_seconds: float
    """Time from the start of the process until /readyz responds."""


class DeploymentInfo(StrictRecord):
    """The content of deployment.json."""

    format_version: Literal[1] = FORMAT_VERSION
    tag: str
    model_name: str
    class_names: tuple[str, ...]
    image_size: tuple[int, int]
    """(height, width) in pixels."""
    lineage: Lineage
    check: ServiceCheck
    registered_version: str | None
    """The version of the model `model_name` in the MLflow registry; None if it could not be registered."""
    registered_run: str | None = None
    """The MLflow run of this version: the training run or, if that was deleted, the run to which the bundle was logged
    again."""
    promoted: bool
    """Whether this version was given the alias `champion`."""
    promotion_reason: str


def read_deployment(bento_dir: Path) -> DeploymentInfo:
    """Reads deployment.json.

    Raises:
        ArtifactError: the file is missing or damaged, or has an unsupported format version.
    """
    return read_json(bento_dir / "deployment.json", DeploymentInfo, "bento folder")
