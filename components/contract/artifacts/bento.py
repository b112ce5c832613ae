"""The bento folder: what deploy writes, and what serving, predicting and tracing read.

deployment.json   DeploymentInfo
bento/            the built bento, which `bentoml serve` accepts; below bento/src:
    service.json      ServiceFacts
    export/           the inference graph: model.xml, model.bin
    calibration.json  and familiarity.npz, where evaluation calibrated the model
    samples/          photos that the page offers to try, and samples.json
    components/       the code of the service, and no other
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
    """The content of service.json: all facts of the service except its graph."""

    tag: str
    """name:version of the bento; the version is a digest of everything that is packed."""
    class_names: tuple[str, ...]
    image_size: tuple[int, int]
    """(height, width) in pixels."""
    resize: Literal["stretch", "crop", "pad"]
    pixel_range: PixelRange = FULL_RANGE
    lineage: Lineage
    model: str | None = None
    """The network's name."""
    precision: Literal["float32", "int8"] = "float32"
    """Of the graph."""
    test: SplitFigures | None = None
    """Evaluation's headline figures on the test photos."""
    verdict: str | None = None
    """The gate's."""
    calibrated: bool = False
    """Whether evaluation calibrated the confidences; otherwise they are the softmax, which is often overconfident."""


class ServiceCheck(StrictRecord):
    """The result of starting the built service and sending it the golden photos."""

    num_photos: int
    max_probability_difference: float
    """The largest distance of any probability from evaluation's."""
    latency_p50_ms: float
    """Of one photo over HTTP, the client on the same machine."""
    ready_seconds: float
    """From the start of the process to the first answer of /readyz."""


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
    """Of the model `model_name` in the MLflow registry; None if it accepted none."""
    registered_run: str | None = None
    """The MLflow run that the version belongs to: of the training, or, if that is gone, one that has its bundle now."""
    promoted: bool
    """Whether this version got the alias `champion`."""
    promotion_reason: str


def read_deployment(bento_dir: Path) -> DeploymentInfo:
    """Reads deployment.json.

    Raises:
        ArtifactError: it is missing, damaged, or of another format version.
    """
    return read_json(bento_dir / "deployment.json", DeploymentInfo, "bento folder")
