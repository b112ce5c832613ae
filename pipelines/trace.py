"""From a prediction, a bento or a run back to the data: what stands behind an answer."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from components.contract.artifacts.bento import DeploymentInfo, read_deployment
from components.contract.errors import ArtifactError, DataError
from components.contract.system.address import redact
from components.contract.system.cache import cache_dir
from components.contract.tracking.store_address import tracking_uri
from components.evaluate.formatting import percent
from pipelines.runners.runs import RunFolder, list_runs

NUM_NEIGHBORS = 5


class TracedPrediction(BaseModel):
    """The prediction, as far as it is known."""

    model_config = ConfigDict(frozen=True)

    id: str
    made: datetime
    label: str | None = None
    confidence: float | None = None
    abstained: bool | None = None


class NearPhoto(BaseModel):
    """A training photo that the network sees as like the one that was asked about."""

    model_config = ConfigDict(frozen=True)

    image_id: str
    path: str | None
    class_name: str
    similarity: float


class Trace(BaseModel):
    """The chain. What is not known is None."""

    model_config = ConfigDict(frozen=True)

    prediction: TracedPrediction | None
    bento: str
    bento_path: str | None
    run_id: str | None
    mlflow_run_id: str | None
    model_version: str | None
    """Of the bento's name in the MLflow registry."""
    data: str | None
    data_version: str | None
    """The hash that DVC knows the data by."""
    dataset_fingerprint: str | None
    git_revision: str | None
    nearest: tuple[NearPhoto, ...] = ()


def trace(name: str, photo: Path | None = None, log_dir: Path | None = None) -> Trace:
    """Follows a prediction id, a bento tag or version, a run id or an MLflow run id.

    Args:
        name: what is followed.
        photo: the photo that was asked about, for its nearest training photos.
        log_dir: the prediction log, which knows the answer and the embedding of predictions.

    Raises:
        ArtifactError: nothing of that name is known here or in MLflow's registry.
        DataError: the log is damaged, or the photo cannot be used.
    """
    from components.deploy.service.prediction_id import parse_id

    identified = parse_id(name)
    prediction = TracedPrediction(id=name, made=identified.created_at) if identified else None
    wanted = identified.bento_version if identified else name
    logged = None
    if log_dir is not None and identified:
        from components.deploy.service.prediction_log import find

        logged = find(log_dir, name)
        if logged is not None:
            prediction = TracedPrediction(
                id=name, made=logged.time, label=logged.label, confidence=logged.confidence, abstained=logged.abstained
            )
    folder = _find_run(wanted)
    if folder is None:
        return _from_registry(wanted, prediction)
    found = _from_deployment(folder, read_deployment(folder.path / "bento"), prediction)
    if photo is None and logged is None:
        return found
    return found.model_copy(update={"nearest": _nearest(folder, photo, logged and logged.vector)})


def _find_run(name: str) -> RunFolder | None:
    for folder in list_runs():
        if not (folder.path / "bento" / "deployment.json").is_file():
            continue
        info = read_deployment(folder.path / "bento")
        if name in (folder.path.name, info.tag, info.tag.partition(":")[2], info.lineage.mlflow_run_id):
            return folder
    return None


def _from_deployment(folder: RunFolder, info: DeploymentInfo, prediction: TracedPrediction | None) -> Trace:
    source = info.lineage.source
    return Trace(
        prediction=prediction,
        bento=info.tag,
        bento_path=str(folder.path / "bento"),
        run_id=folder.path.name,
        mlflow_run_id=info.lineage.mlflow_run_id,
        model_version=info.registered_version,
        data=source.uri,
        data_version=source.dvc,
        dataset_fingerprint=info.lineage.dataset_fingerprint,
        git_revision=source.git_revision,
    )


def _from_registry(name: str, prediction: TracedPrediction | None) -> Trace:
    """A run that was removed, or made elsewhere, still stands in MLflow's registry."""
    from mlflow import MlflowClient

    uri = tracking_uri()
    shown = redact(uri)
    try:
        versions = MlflowClient(uri).search_model_versions()
    except Exception as error:  # MLflow raises its own, requests' and SQLAlchemy's errors alike
        raise ArtifactError(
            f"{_unknown(name)} MLflow's registry at {shown} cannot be asked: {redact(str(error))}."
        ) from None
    for version in versions:
        tags: dict[str, str] = version.tags
        tag = tags.get("darkroom.bento", "")
        if tag and name in (tag, tag.partition(":")[2], version.run_id):
            return Trace(
                prediction=prediction,
                bento=tag,
                bento_path=None,
                run_id=None,
                mlflow_run_id=version.run_id,
                model_version=str(version.version),
                data=tags.get("darkroom.data"),
                data_version=tags.get("darkroom.data_version"),
                git_revision=tags.get("darkroom.git_revision"),
                dataset_fingerprint=tags.get("darkroom.dataset_fingerprint"),
            )
    raise ArtifactError(
        f"{_unknown(name)} MLflow's registry at {shown} does not know it either. Set "
        "MLFLOW_TRACKING_URI to that of the model's training."
    )


def _unknown(name: str) -> str:
    known = ", ".join(folder.path.name for folder in list_runs()[:3]) or "none"
    return (
        f"A prediction id, a bento, a run of this folder or an MLflow run must be named; {name!r} is none that is "
        f"known here (runs: {known})."
    )


def _nearest(folder: RunFolder, photo: Path | None, embedding: Any) -> tuple[NearPhoto, ...]:
    import numpy as np

    from components.contract.errors import ImageError
    from components.contract.image.decode import MAX_BYTES
    from components.contract.system.budget import read_regular
    from components.deploy.monitoring.neighbors import nearest, paths_of
    from components.deploy.service.classifier import Classifier

    classifier = Classifier(folder.path / "bento" / "bento" / "src")
    if photo is not None:
        try:
            pixels = classifier.decode(read_regular(photo, MAX_BYTES))
        except (OSError, ImageError) as error:
            raise DataError(f"The photo {photo} must be usable; it is not: {error}") from None
        embedding = classifier.examine(pixels[np.newaxis])[0].embedding
    dataset_dir = folder.path / "dataset"
    found = nearest(embedding, classifier, dataset_dir, cache_dir(), NUM_NEIGHBORS)
    paths, names = paths_of(dataset_dir), classifier.facts.class_names
    return tuple(
        NearPhoto(
            image_id=one.image_id, path=paths.get(one.image_id), class_name=names[one.label], similarity=one.similarity
        )
        for one in found
    )


def as_lines(found: Trace) -> list[tuple[str, str]]:
    """The chain in words, from the prediction back to the data."""
    lines: list[tuple[str, str]] = []
    if found.prediction is not None:
        said = found.prediction
        answer = ""
        if said.label and said.confidence is not None:
            answer = f": {said.label}, {percent(said.confidence)}{', withheld' if said.abstained else ''}"
        lines.append(("prediction", f"{said.id} ({said.made:%Y-%m-%d %H:%M:%S} UTC){answer}"))
    lines += [
        ("bento", f"{found.bento}{f' in {found.bento_path}' if found.bento_path else ', no longer here'}"),
        ("run", found.run_id or "not in this folder"),
        (
            "MLflow run",
            f"{found.mlflow_run_id or 'none'}"
            + (f", registered as version {found.model_version}" if found.model_version else ""),
        ),
        ("data", f"{found.data or 'unknown'}, fingerprint {(found.dataset_fingerprint or 'unknown')[:16]}"),
        ("data version", f"DVC {found.data_version}" if found.data_version else "not under DVC"),
        ("git revision", found.git_revision or "not in git"),
    ]
    return lines + [
        ("nearest" if number == 0 else "", f"{one.path or one.image_id} ({one.class_name}, {one.similarity:.3f})")
        for number, one in enumerate(found.nearest)
    ]


def as_json(found: Trace) -> dict[str, Any]:
    """The chain as a dict of JSON values."""
    return dict(json.loads(found.model_dump_json()))
