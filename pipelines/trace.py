"""Traces a prediction, a bento or a run back to its data."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from components.contract.artifacts.bento import DeploymentInfo, read_deployment
from components.contract.errors import ArtifactError, DataError
from components.contract.record import BaseRecord
from components.contract.system.address import redact
from components.contract.system.cache import cache_dir
from components.contract.tracking.store_address import tracking_uri
from components.evaluate.formatting import percent
from pipelines.runners.runs import RunFolder, list_runs

NUM_NEIGHBORS = 5


class TracedPrediction(BaseRecord):
    """The known facts about a prediction."""

    id: str
    made: datetime
    label: str | None = None
    confidence: float | None = None
    abstained: bool | None = None


class NearPhoto(BaseRecord):
    """A training photo whose embedding is similar to that of the classified photo."""

    image_id: str
    path: str | None
    class_name: str
    similarity: float


class Trace(BaseRecord):
    """The chain from a prediction back to the data; unknown values are None."""

    prediction: TracedPrediction | None
    bento: str
    bento_path: str | None
    run_id: str | None
    mlflow_run_id: str | None
    model_version: str | None
    """The version of the model in the MLflow registry."""
    data: str | None
    data_version: str | None
    """The hash of the data in DVC."""
    dataset_fingerprint: str | None
    git_revision: str | None
    nearest: tuple[NearPhoto, ...] = ()


def trace(name: str, photo: Path | None = None, log_dir: Path | None = None) -> Trace:
    """Traces a prediction id, a bento tag or version, a run id or an MLflow run id back to the data.

    Args:
        name: the id or tag.
        photo: the classified photo, for finding the nearest training photos.
        log_dir: the prediction log, which contains the answers and embeddings of predictions.

    Raises:
        ArtifactError: neither this folder nor MLflow's registry contains the name, or the registry does not answer.
        DataError: the log is damaged, or the photo cannot be used.
    """
    from components.deploy.service.predictions.prediction_id import parse_id

    prediction_id = parse_id(name)
    prediction = TracedPrediction(id=name, made=prediction_id.created_at) if prediction_id else None
    bento_or_run = prediction_id.bento_version if prediction_id else name
    log_entry = None
    if log_dir is not None and prediction_id:
        from components.deploy.service.predictions.prediction_log import find

        log_entry = find(log_dir, name)
        if log_entry is not None:
            prediction = TracedPrediction(
                id=name,
                made=log_entry.time,
                label=log_entry.label,
                confidence=log_entry.confidence,
                abstained=log_entry.abstained,
            )
    folder = _find_run(bento_or_run)
    if folder is None:
        return _trace_registry(bento_or_run, prediction)
    chain = _trace_deployment(folder, read_deployment(folder.path / "bento"), prediction)
    if photo is None and log_entry is None:
        return chain
    return chain.model_copy(update={"nearest": _find_nearest(folder, photo, log_entry and log_entry.vector)})


def _find_run(name: str) -> RunFolder | None:
    for folder in list_runs():
        if not (folder.path / "bento" / "deployment.json").is_file():
            continue
        info = read_deployment(folder.path / "bento")
        if name in (folder.path.name, info.tag, info.tag.partition(":")[2], info.lineage.mlflow_run_id):
            return folder
    return None


def _trace_deployment(folder: RunFolder, info: DeploymentInfo, prediction: TracedPrediction | None) -> Trace:
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


def _trace_registry(name: str, prediction: TracedPrediction | None) -> Trace:
    """Finds the chain in MLflow's registry, for a run that was removed or was executed elsewhere."""
    from mlflow import MlflowClient

    uri = tracking_uri()
    store_text = redact(uri)
    try:
        versions = MlflowClient(uri).search_model_versions()
    except Exception as error:  # MLflow raises its own errors and those of requests and SQLAlchemy
        raise ArtifactError(
            f"{_describe_unknown(name)} MLflow's registry at {store_text} did not answer: {redact(str(error))}."
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
        f"{_describe_unknown(name)} MLflow's registry at {store_text} does not contain it either. Set "
        "MLFLOW_TRACKING_URI to the store that contains the model's training run."
    )


def _describe_unknown(name: str) -> str:
    run_ids = ", ".join(folder.path.name for folder in list_runs()[:3]) or "none"
    return (
        f"The name must be a prediction id, a bento, a run in this folder or an MLflow run; {name!r} is "
        f"none of these (newest runs in this folder: {run_ids})."
    )


def _find_nearest(folder: RunFolder, photo: Path | None, embedding: Any) -> tuple[NearPhoto, ...]:
    import numpy as np

    from components.contract.errors import ImageError
    from components.contract.image.decode import MAX_BYTES
    from components.contract.system.budget import read_regular
    from components.deploy.monitoring.neighbors import find_nearest, read_paths
    from components.deploy.service.classifier import Classifier

    classifier = Classifier(folder.path / "bento" / "bento" / "src")
    if photo is not None:
        try:
            pixels = classifier.decode(read_regular(photo, MAX_BYTES))
        except (OSError, ImageError) as error:
            raise DataError(f"The photo {photo} cannot be used: {error}") from None
        embedding = classifier.examine(pixels[np.newaxis])[0].embedding
    dataset_dir = folder.path / "dataset"
    neighbors = find_nearest(embedding, classifier, dataset_dir, cache_dir(), NUM_NEIGHBORS)
    paths, names = read_paths(dataset_dir), classifier.facts.class_names
    return tuple(
        NearPhoto(
            image_id=neighbor.image_id,
            path=paths.get(neighbor.image_id),
            class_name=names[neighbor.label],
            similarity=neighbor.similarity,
        )
        for neighbor in neighbors
    )


def as_lines(chain: Trace) -> list[tuple[str, str]]:
    """Describes the chain, from the prediction back to the data."""
    lines: list[tuple[str, str]] = []
    if chain.prediction is not None:
        prediction = chain.prediction
        answer = ""
        if prediction.label and prediction.confidence is not None:
            withheld = ", abstained" if prediction.abstained else ""
            answer = f": {prediction.label}, {percent(prediction.confidence)}{withheld}"
        lines.append(("prediction", f"{prediction.id} ({prediction.made:%Y-%m-%d %H:%M:%S} UTC){answer}"))
    lines += [
        ("bento", f"{chain.bento}{f' in {chain.bento_path}' if chain.bento_path else ', no longer in this folder'}"),
        ("run", chain.run_id or "not in this folder"),
        (
            "MLflow run",
            f"{chain.mlflow_run_id or 'none'}"
            + (f", registered as version {chain.model_version}" if chain.model_version else ""),
        ),
        ("data", f"{chain.data or 'unknown'}, fingerprint {(chain.dataset_fingerprint or 'unknown')[:16]}"),
        ("data version", f"DVC {chain.data_version}" if chain.data_version else "not under DVC"),
        ("git revision", chain.git_revision or "not in git"),
    ]
    return lines + [
        (
            "nearest" if number == 0 else "",
            f"{neighbor.path or neighbor.image_id} ({neighbor.class_name}, {neighbor.similarity:.3f})",
        )
        for number, neighbor in enumerate(chain.nearest)
    ]


def as_json(chain: Trace) -> dict[str, Any]:
    """The chain as a dict of JSON values."""
    return dict(json.loads(chain.model_dump_json()))
