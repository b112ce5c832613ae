"""Loads the classifier of a run, a model bundle or a registered model, with the same results as the service."""

import hashlib
import logging
import os
import posixpath
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from components.contract.artifacts.bundle import read_bundle
from components.contract.errors import ArtifactError, TrackingError
from components.contract.inference.calibration import CALIBRATION_FILES
from components.contract.system.address import redact
from components.contract.system.atomic_files import new_folder
from components.contract.system.cache import cache_dir
from components.contract.tracking.store import find_model_version, patience, reason_of
from components.contract.tracking.store_address import tracking_uri
from components.contract.validation_messages import suggestion
from components.deploy.bento.build import EXPORT_FILES, make_facts
from components.deploy.service.classifier import Classifier
from pipelines.runners.runs import RUNS_DIR, list_runs

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

log = logging.getLogger(__name__)

PACKED_DIRS: Final = ("", "src", "bento/src", "bento/bento/src")
"""Where service.json is, relative to a bento's source folder, a bento, deploy's folder, and a run or a package."""


def load_classifier(source: str | Path) -> Classifier:
    """Loads the exported graph, and its calibration if there is one.

    Args:
        source: a run id, `latest`, the folder of a run, a bento, a package or a model bundle, or `name@alias` (or
            `name@version`) of a registered model. A bundle alone has no calibration, so its model never abstains.

    Raises:
        ArtifactError: there is no such model, or it is damaged.
        TrackingError: MLflow did not return a registered model.
    """
    for folder in (Path(source).expanduser(), RUNS_DIR / source):
        for packed_dir in (folder / place for place in PACKED_DIRS):
            if (packed_dir / "service.json").is_file():
                return Classifier(packed_dir)
        for bundle_dir in (folder, folder / "model"):
            if (bundle_dir / "bundle.json").is_file():
                return load_bundle(bundle_dir)
    registered = re.fullmatch(r"(.+)@([^@/]+)", str(source))
    if registered is not None:
        return _load_registered(registered[1], registered[2])
    finished_ids = [run.path.name for run in list_runs() if run.summary is not None]
    hint = f"finished runs: {', '.join(finished_ids[:5])}" if finished_ids else "this folder has no finished runs"
    raise ArtifactError(
        f"A model must be a run id, the folder of a run, a bento or a model bundle, or name@alias of a registered "
        f"model; {str(source)!r} is none of these{suggestion(str(source), finished_ids)}; {hint}."
    )


def load_bundle(bundle_dir: Path, calibration_dir: Path | None = None) -> Classifier:
    """Loads the graph of a model bundle.

    Args:
        bundle_dir: contains bundle.json and export/.
        calibration_dir: contains calibration.json and familiarity.npz; None for a model without calibration.

    Raises:
        ArtifactError: a file is missing or damaged.
    """
    bundle = read_bundle(bundle_dir)
    tag = f"{bundle.dataset_name}:{bundle.export.sha256[:12]}"
    facts = make_facts(bundle, tag, calibrated=calibration_dir is not None)
    return Classifier(bundle_dir, facts=facts, calibration_dir=calibration_dir)


def _load_registered(name: str, alias: str) -> Classifier:
    """Loads a registered model; if the cache does not contain it yet, downloads it to the cache first."""
    os.environ["MLFLOW_TRACKING_URI"] = tracking_uri()
    from mlflow import MlflowClient

    try:
        with patience():
            version = find_model_version(MlflowClient(), name, alias)
            folder = cache_dir() / "classifiers" / hashlib.sha256(str(version.source).encode()).hexdigest()[:32]
            if not folder.is_dir():
                with new_folder(folder) as partial:
                    _fetch(version, partial)
    except Exception as error:  # MLflow raises its own errors and those of requests and the store
        raise TrackingError(
            f"MLflow did not return the model {name}@{alias}: {reason_of(error)}. The store is "
            f"{redact(tracking_uri())}: set MLFLOW_TRACKING_URI to the model's store."
        ) from None
    if (folder / "service.json").is_file():
        return Classifier(folder)
    return load_bundle(folder, folder if (folder / CALIBRATION_FILES[0]).is_file() else None)


def _fetch(version: "ModelVersion", folder: Path) -> None:
    """Downloads service.json or bundle.json, export/, and the calibration if there is one."""
    source = str(version.source).rstrip("/")
    model_uri = f"{source}/data/model"
    calibration_uri, facts_name = model_uri, "service.json"
    if not _list_files(model_uri):  # a version registered by an older Darkroom: its source is the bundle
        model_uri, calibration_uri, facts_name = source, f"runs:/{version.run_id}/evaluation", "bundle.json"
    uris = [f"{model_uri}/{facts_name}", *(f"{model_uri}/export/{name}" for name in EXPORT_FILES)]
    if _list_files(calibration_uri).issuperset(CALIBRATION_FILES):
        uris += [f"{calibration_uri}/{name}" for name in CALIBRATION_FILES]
    else:
        log.warning("Version %s of %s has no calibration, so its model never abstains.", version.version, version.name)
    from mlflow.artifacts import download_artifacts

    (folder / "export").mkdir()
    with tempfile.TemporaryDirectory(prefix="darkroom-load-") as scratch:
        for uri in uris:
            name = posixpath.basename(uri)
            target = folder / "export" / name if name in EXPORT_FILES else folder / name
            shutil.move(download_artifacts(artifact_uri=uri, dst_path=scratch), target)


def _list_files(uri: str) -> set[str]:
    from mlflow.artifacts import list_artifacts

    return {posixpath.basename(file.path) for file in list_artifacts(artifact_uri=uri)}
