"""Loads the classifier of a run, of a model bundle, or of a registered model, as the service would run it."""

import logging
import os
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
from components.contract.tracking.store import find_model_version, first_line, patience
from components.contract.tracking.store_address import tracking_uri
from components.contract.validation_messages import suggestion
from components.deploy.bento.build import EXPORT_FILES, make_facts
from components.deploy.service.classifier import Classifier
from pipelines.runners.runs import RUNS_DIR, list_runs

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

PACKED_DIRS: Final = ("", "src", "bento/src", "bento/bento/src")
"""Where service.json is: in the source of a bento, a bento, deploy's folder, or a run or package."""


def load_classifier(source: str | Path) -> Classifier:
    """Loads the exported graph, with its calibration if it has one.

    Args:
        source: a run id, `latest`, the folder of a run, a bento, a package or a model bundle, or `name@alias` (or
            `name@version`) of a registered model. A bundle alone has no calibration: its answers never abstain.

    Raises:
        ArtifactError: there is no such model, or it is damaged.
        TrackingError: MLflow does not return a registered model.
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
    hint = f"finished runs are {', '.join(finished_ids[:5])}" if finished_ids else "this folder has no finished runs"
    raise ArtifactError(
        f"A model must be a run id, the folder of a run, a bento or a model bundle, or name@alias of a registered "
        f"model; {str(source)!r} is none of these{suggestion(str(source), finished_ids)}; {hint}."
    )


def load_bundle(bundle_dir: Path, calibration_dir: Path | None = None) -> Classifier:
    """Loads the graph of a model bundle.

    Args:
        bundle_dir: bundle.json, export/.
        calibration_dir: calibration.json, familiarity.npz; None for a model without calibration.

    Raises:
        ArtifactError: a file is missing or damaged.
    """
    bundle = read_bundle(bundle_dir)
    tag = f"{bundle.dataset_name}:{bundle.export.sha256[:12]}"
    facts = make_facts(bundle, tag, calibrated=calibration_dir is not None)
    return Classifier(bundle_dir, facts=facts, calibration_dir=calibration_dir)


def _load_registered(name: str, alias: str) -> Classifier:
    """Fetches the bundle and the calibration of a registered model into the cache."""
    os.environ["MLFLOW_TRACKING_URI"] = tracking_uri()
    from mlflow import MlflowClient

    try:
        with patience():
            client = MlflowClient()
            version = find_model_version(client, name, alias)
            folder = cache_dir() / "classifiers" / str(version.run_id)
            if not folder.is_dir():
                with new_folder(folder) as partial:
                    _fetch(client, str(version.run_id), partial)
    except Exception as error:  # MLflow raises its own, requests' and the store's errors alike
        raise TrackingError(
            f"MLflow must return the model {name}@{alias}; it did not: {first_line(error)}. The store is "
            f"{redact(tracking_uri())}: set MLFLOW_TRACKING_URI to that of the model."
        ) from None
    calibration_dir = folder / "evaluation"
    return load_bundle(folder / "bundle", calibration_dir if calibration_dir.is_dir() else None)


def _fetch(client: "MlflowClient", run_id: str, folder: Path) -> None:
    """Downloads what the service of a run would contain: bundle/, and evaluation/ if it has a calibration."""
    paths = ["bundle/bundle.json", *(f"bundle/export/{name}" for name in EXPORT_FILES)]
    calibration_paths = [f"evaluation/{name}" for name in CALIBRATION_FILES]
    if {file.path for file in client.list_artifacts(run_id, "evaluation")}.issuperset(calibration_paths):
        paths += calibration_paths
    else:
        log.warning("MLflow run %s has no calibration; its model never abstains.", run_id)
    with tempfile.TemporaryDirectory(prefix="darkroom-load-") as scratch:
        for path in paths:
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(client.download_artifacts(run_id, path, scratch), target)
