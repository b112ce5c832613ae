"""The bento folder: what deploy writes, and what serving, predicting and tracing read.

deployment.json   DeploymentInfo
bento/            the built bento, which `bentoml serve` takes as it stands; below bento/src:
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
    """Where a served model came from."""

    mlflow_run_id: str | None
    dataset_fingerprint: str
    source: Source
    export_sha256: str


class ServiceFacts(StrictRecord):
    """What service.json holds: all that the service knows beside its graph."""

    tag: str
    """name:version of the bento; the version follows from everything that is packed."""
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
    """Whether confidences were calibrated by evaluation; else they are the plain softmax, which is often too sure."""


class ServiceCheck(StrictRecord):
    """What the built service did when it was started for real and asked for the golden photos."""

    num_photos: int
    max_probability_difference: float
    """The largest distance of any probability from evaluation's."""
    latency_p50_ms: float
    """Of one photo over HTTP, the client on the same machine."""
    ready_seconds: float
    """From the start of the process to the first answer of /readyz."""


class DeploymentInfo(StrictRecord):
    """What deployment.json holds."""

    format_version: Literal[1] = FORMAT_VERSION
    tag: str
    model_name: str
    class_names: tuple[str, ...]
    image_size: tuple[int, int]
    """(height, width) in pixels."""
    lineage: Lineage
    check: ServiceCheck
    registered_version: str | None
    """Of the model `model_name` in the MLflow registry; None where it took none."""
    registered_run: str | None = None
    """The MLflow run that the version belongs to: of the training, or, if that is gone, one that has its bundle now."""
    promoted: bool
    """Whether this version got the alias `champion`."""
    promotion_reason: str


def read_deployment(bento_dir: Path) -> DeploymentInfo:
    """What deployment.json says.

    Raises:
        ArtifactError: it is missing, damaged, or of another format version.
    """
    return read_json(bento_dir / "deployment.json", DeploymentInfo, "bento folder")
