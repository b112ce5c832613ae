"""Transfers a bento to a cluster: packs it and stores it in MLflow under its digest; the pods download it."""

import logging
import os
import re
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from components.contract.errors import ArtifactError, TrackingError
from components.contract.foreign.archive import extract
from components.contract.system.atomic_files import file_sha256
from components.contract.system.waiting import OUTAGE_SECONDS, wait_for
from components.contract.tracking.store import is_refusal, reason_of

log = logging.getLogger(__name__)

FOLDER: Final = "bento"
"""The folder among a run's artifacts that contains packed bentos: several if the run's model was deployed more than
once."""
BENTO_VARIABLE: Final = "DARKROOM_BENTO"
"""The environment variable with the reference to the bento to serve; it is set on the init container `fetch`."""
REFERENCE: Final = re.compile(r"(?P<run_id>[0-9a-f]{32})@sha256:(?P<sha256>[0-9a-f]{64})")


@dataclass(frozen=True)
class Reference:
    """Identifies a packed bento by its content.

    Attributes:
        run_id: the id of the MLflow run that contains the bento.
        sha256: the SHA-256 of the packed file.
    """

    run_id: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.run_id}@sha256:{self.sha256}"

    @property
    def artifact_path(self) -> str:
        """The path of the packed file among the run's artifacts; unique for each bento."""
        return f"{FOLDER}/{self.sha256}.tar"

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """Parses `<run id>@sha256:<digest>`.

        Raises:
            ArtifactError: the string does not have this form.
        """
        match = REFERENCE.fullmatch(text)
        if match is None:
            raise ArtifactError(
                "A bento reference must have the form <run id>@sha256:<digest>; found "
                f"{text or 'nothing'!r}. The deploy task sets it when a model is promoted."
            )
        return cls(match["run_id"], match["sha256"])


def is_same_content(earlier_text: str, reference: Reference) -> bool:
    """Whether an earlier reference names the same content, and MLflow still stores that content.

    A pipeline run whose steps are all cached publishes an identical bento again, in a new MLflow run: the
    references then differ, but the content does not.
    """
    from mlflow import MlflowClient

    if earlier_text == str(reference):
        return True
    match = REFERENCE.fullmatch(earlier_text)
    if match is None or match["sha256"] != reference.sha256:
        return False
    try:
        files = MlflowClient().list_artifacts(match["run_id"], FOLDER)
    except Exception as error:  # MLflow raises its own errors and those of requests and the store
        log.debug("MLflow: %s", error)
        return False
    return any(file.path == f"{FOLDER}/{match['sha256']}.tar" for file in files)


def publish(run_id: str, bento_dir: Path, outage_seconds: float = OUTAGE_SECONDS) -> Reference:
    """Packs a bento and logs it to an MLflow run.

    Args:
        run_id: the run to log to.
        bento_dir: contains deployment.json and bento/; only bento/ is packed.
        outage_seconds: how long to wait if MLflow does not answer.

    Raises:
        TrackingError: MLflow does not store the bento.
    """
    from mlflow import MlflowClient

    with tempfile.TemporaryDirectory() as folder:
        packed_path = Path(folder) / "bento.tar"
        pack(bento_dir / "bento", packed_path)
        reference = Reference(run_id, file_sha256(packed_path))
        path = packed_path.rename(Path(folder) / Path(reference.artifact_path).name)
        try:
            wait_for(
                lambda: MlflowClient().log_artifact(run_id, str(path), FOLDER),
                "MLflow",
                lambda error: not is_refusal(error),
                outage_seconds,
            )
        except Exception as error:  # MLflow raises its own errors and those of requests and the store
            raise TrackingError(
                f"MLflow did not store the bento for the cluster in run {run_id}: {reason_of(error)}."
            ) from None
    log.info("Published the bento as %s.", reference)
    return reference


def fetch(reference: Reference, target: Path) -> None:
    """Downloads a bento from MLflow, verifies its digest, and unpacks it.

    Args:
        reference: the reference to the bento.
        target: the folder to create for the bento.

    Raises:
        TrackingError: MLflow did not return the bento.
        ArtifactError: the downloaded file does not have the digest in the reference.
    """
    from mlflow import MlflowClient

    with tempfile.TemporaryDirectory() as folder:
        try:
            path = Path(MlflowClient().download_artifacts(reference.run_id, reference.artifact_path, folder))
        except Exception as error:  # as in `publish`
            raise TrackingError(f"MLflow did not return the bento {reference}: {reason_of(error)}.") from None
        digest = file_sha256(path)
        if digest != reference.sha256:
            raise ArtifactError(
                f"The bento of run {reference.run_id} was changed after its rollout: its digest is {digest} instead "
                f"of {reference.sha256}. Deploy again."
            )
        num_files = extract(path, target)
    log.info("Downloaded %d files of the bento %s.", num_files, reference)


def pack(source: Path, target: Path) -> None:
    """Packs a folder into a tar file; the same content produces the same bytes."""
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(source.rglob("*")):
            if path.is_file():
                entry = tarfile.TarInfo(path.relative_to(source).as_posix())
                entry.size, entry.mode = path.stat().st_size, 0o644
                with path.open("rb") as file:
                    archive.addfile(entry, file)


def read_reference() -> Reference:
    """The reference to the bento that this pod serves.

    Raises:
        ArtifactError: the environment variable is not set, or is not a valid reference.
    """
    return Reference.parse(os.environ.get(BENTO_VARIABLE, ""))
