"""Finds the bundle of an earlier run: in a given folder, in runs/, or in MLflow."""

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Final

from components.contract.errors import ArtifactError, TrackingError
from components.contract.system.address import redact
from components.contract.system.atomic_files import new_folder
from components.contract.system.cache import cache_dir
from components.contract.tracking.store import find_model_version, patience
from components.contract.tracking.store_address import tracking_uri
from components.contract.validation_messages import suggestion

RUNS_DIR: Final = Path("runs")
BUNDLE: Final = "bundle"
"""The name of the bundle's folder among a run's artifacts in MLflow."""


def find_bundle(name: str) -> Path:
    """Returns the absolute path of the bundle of an earlier run; a bundle in MLflow is downloaded into the cache.

    Args:
        name: a run id, a bundle's folder, an MLflow run id, or name@alias (or name@version) of a registered model.

    Raises:
        ArtifactError: no such bundle exists.
        TrackingError: MLflow did not return the bundle.
    """
    for folder in (Path(name).expanduser(), RUNS_DIR / name / "model", Path(name).expanduser() / "model"):
        if (folder / "bundle.json").is_file():
            return folder.resolve()
    if "@" in name or re.fullmatch(r"[0-9a-f]{32}", name):
        return _fetch_bundle(name)
    finished = sorted(
        path.parent.parent.name for path in RUNS_DIR.glob("*/model/bundle.json") if not path.parent.parent.is_symlink()
    )
    known_runs = f"latest runs in this folder: {', '.join(finished[-5:])}" if finished else "this folder has no runs"
    raise ArtifactError(
        "train.model.from must be a run id, a bundle's folder, an MLflow run id or the name@alias of a "
        f"registered model; {name!r} is none of these{suggestion(name, finished)}; {known_runs}."
    )


def _fetch_bundle(name: str) -> Path:
    os.environ["MLFLOW_TRACKING_URI"] = tracking_uri()
    from mlflow import MlflowClient

    try:
        with patience():
            client, run_id = MlflowClient(), name
            if "@" in name:
                registered, _, alias = name.rpartition("@")
                run_id = str(find_model_version(client, registered, alias).run_id)
            folder = cache_dir() / "bundles" / run_id
            if not (folder / "bundle.json").is_file():
                with new_folder(folder) as partial, tempfile.TemporaryDirectory() as scratch:
                    for file in ("model.keras", "train_image_ids.txt", "bundle.json"):
                        downloaded_path = client.download_artifacts(run_id, f"{BUNDLE}/{file}", scratch)
                        shutil.move(downloaded_path, partial / file)
            return folder.resolve()
    except ArtifactError:
        raise
    except Exception as error:  # MLflow raises its own errors and those of requests and SQLAlchemy
        reason = redact((str(error).strip() or type(error).__name__).splitlines()[0])
        raise TrackingError(
            f"train.model.from: MLflow did not return the bundle of {name}: {reason}. Look "
            "for it with darkroom ui, or set a run id or a folder."
        ) from None
