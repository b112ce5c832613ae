"""Finds the champion, downloads it, and scores it on the candidate's test photos."""

import math
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.contract.artifacts.bundle import BundleInfo, read_bundle, read_train_image_ids
from components.contract.artifacts.dataset import DatasetInfo, PixelRange, Split
from components.contract.artifacts.evaluation import BUNDLE_TAG, CHAMPION
from components.contract.errors import ArtifactError, DarkroomError, ImageError
from components.contract.image.decode import decode
from components.contract.image.resize import Resize
from components.contract.inference.graph import InferenceGraph, export_sha256
from components.contract.text import pluralize
from components.contract.tracking.store import reason_of
from components.evaluate.gate.comparison import MIN_COMPARED
from components.evaluate.gate.unseen_photos import find_unseen
from components.evaluate.measure.predictions import BATCH_SIZE, run_batches


class NotComparableError(DarkroomError):
    """The champion and the candidate cannot be compared; the message contains the reason."""


@dataclass(frozen=True)
class Champion:
    """The registered version with the alias `champion`."""

    version: str
    mlflow_run_id: str | None
    bundle_uri: str


@dataclass(frozen=True)
class Rival:
    """The champion's predictions for the photos that both models are compared on.

    Attributes:
        predicted: int (m,), the class that the champion predicts for each photo, as a label of the candidate.
        indices: int (m,), the indices of these photos in the test split.
        num_left_out: number of test photos left out because one of the two models was trained on them or on a
            near-duplicate.
    """

    predicted: np.ndarray
    indices: np.ndarray
    num_left_out: int = 0


def find_champion(model_name: str) -> Champion | None:
    """The version with the alias `champion`; None if there is none.

    Raises:
        Exception: the registry does not answer. MLflow raises its own errors and those of the libraries it uses.
    """
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient()
    try:
        version = client.get_registered_model(model_name).aliases.get(CHAMPION)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
    if not version:
        return None
    model_version = client.get_model_version(model_name, version)
    # For versions that were registered before MLflow could load them, the source itself is the bundle.
    bundle_uri = model_version.tags.get(BUNDLE_TAG, model_version.source)
    return Champion(str(version), model_version.run_id, str(bundle_uri))


def score_champion(
    champion: Champion, dataset_dir: Path, dataset: DatasetInfo, split: Split, train_image_ids: Collection[str]
) -> Rival:
    """Scores the champion on the test photos that neither model was trained on.

    Args:
        champion: the registered champion.
        dataset_dir: contains golden/ (test photos stored as files, for a champion with a different image size) and
            manifest.parquet (which lists copies and near-duplicates).
        dataset: the candidate's data set.
        split: the test photos in that data set.
        train_image_ids: IDs of the photos that the candidate was trained on.

    Raises:
        NotComparableError: the classes differ, the champion is missing or damaged, its training photos are unknown, or
            no photo is left for the comparison.
    """
    with tempfile.TemporaryDirectory(prefix="darkroom-champion-") as folder:
        bundle_dir = download_bundle(champion, Path(folder))
        try:
            bundle = read_bundle(bundle_dir)
            if export_sha256(bundle_dir / "export") != bundle.export.sha256:
                raise NotComparableError("The champion's graph has changed since training; a file was modified.")
            champion_image_ids = read_train_image_ids(bundle_dir)
            require_known_photos(bundle, champion_image_ids, dataset)
            seen_ids = frozenset(train_image_ids).union(champion_image_ids or ())
            indices = find_unseen(split, seen_ids, dataset_dir / "manifest.parquet")
            require_photos(indices, dataset)
            graph = InferenceGraph(bundle_dir / "export")
        except (ArtifactError, UnicodeDecodeError) as error:
            raise NotComparableError(f"The champion's bundle is damaged: {str(error).splitlines()[0]}") from None
        if graph.image_size != bundle.image_size:
            raise NotComparableError("The image size of the champion's graph differs from that of its bundle.")
        candidate_labels = class_order(bundle, dataset)
        num_left_out = len(split) - len(indices)
        if _preparation(bundle) == _preparation(dataset):
            starts = range(0, len(indices), BATCH_SIZE)
            batches = ((start, split.gather(indices[start : start + BATCH_SIZE])) for start in starts)
        else:
            indices, pixels = _decode_golden(dataset_dir, bundle, split, indices)
            batches = ((start, pixels[start : start + BATCH_SIZE]) for start in range(0, len(pixels), BATCH_SIZE))
        logits = run_batches(graph, batches, len(indices), "champion")[0]
    if logits.shape[1] != len(candidate_labels) or not np.isfinite(logits).all():
        raise NotComparableError("The champion does not return one finite number per class for every photo.")
    return Rival(candidate_labels[logits.argmax(axis=1)], indices, num_left_out)


def download_bundle(champion: Champion, folder: Path) -> Path:
    """Downloads the parts of the champion's bundle that the comparison needs.

    Raises:
        NotComparableError: the bundle is missing, or its store does not answer.
    """
    from mlflow.artifacts import download_artifacts

    names = ("bundle.json", "export", "train_image_ids.txt")
    for name in names:
        try:
            download_artifacts(artifact_uri=f"{champion.bundle_uri.rstrip('/')}/{name}", dst_path=str(folder))
        except Exception as error:  # MLflow raises its own errors and those of the file system and the store
            if name == names[-1]:
                continue  # older bundles do not list their training photos
            raise NotComparableError(f"The champion's bundle is missing or unreachable: {reason_of(error)}.") from None
    return folder


def require_known_photos(bundle: BundleInfo, train_image_ids: frozenset[str] | None, dataset: DatasetInfo) -> None:
    """Refuses a champion that may have been trained on test photos.

    Raises:
        NotComparableError: its training photos are not recorded, and it was trained on a different data set.
    """
    # If both models have the same data set, its splits are the same, so the champion was trained on no test photo.
    if train_image_ids is None and bundle.dataset_fingerprint != dataset.fingerprint:
        raise NotComparableError(
            "The champion's training photos are not recorded, and it was trained on a different data set, so it may "
            "have been trained on test photos."
        )


def require_photos(indices: np.ndarray, dataset: DatasetInfo) -> None:
    """Refuses the comparison if there are no photos for it.

    Raises:
        NotComparableError: there is no test photo that neither model was trained on.
    """
    if not len(indices):
        raise NotComparableError(
            f"The data set has {pluralize(dataset.num_images('test'), 'test photo')}, but none is left for the "
            "comparison: each, or a near-duplicate of it, was used to train one of the two models. "
            f"{advise_more_photos(dataset, MIN_COMPARED)}"
        )


def advise_more_photos(dataset: DatasetInfo, num_missing: int) -> str:
    """Advises how many photos to add so that the test split gains about `num_missing`, and names an alternative."""
    num_photos = math.ceil(num_missing * dataset.num_kept / dataset.num_images("test"))
    return (
        f"Add photos until the test split has {num_missing} more (about {num_photos:,} in total with the split "
        f"fractions of this data set), and run again. Or decide yourself: evaluate.gate.promote lists "
        "the verdicts that promote a model."
    )


def class_order(bundle: BundleInfo, dataset: DatasetInfo) -> np.ndarray:
    """Maps each label of the champion to the candidate's label of the same class.

    Raises:
        NotComparableError: the two models do not have the same classes.
    """
    missing_classes, extra_classes = (
        sorted(set(ours) - set(theirs))
        for ours, theirs in ((dataset.class_names, bundle.class_names), (bundle.class_names, dataset.class_names))
    )
    if missing_classes or extra_classes:
        differences = [
            f"{word} {', '.join(names[:5])}"
            for word, names in (("it lacks", missing_classes), ("only the champion has", extra_classes))
            if names
        ]
        raise NotComparableError(f"The champion's classes differ: {'; '.join(differences)}.")
    return np.array([dataset.class_names.index(name) for name in bundle.class_names])


def _preparation(info: BundleInfo | DatasetInfo) -> tuple[tuple[int, int], Resize, PixelRange]:
    """The settings that determine how photos are converted to pixels."""
    return info.image_size, info.resize, info.pixel_range


def _decode_golden(
    dataset_dir: Path, bundle: BundleInfo, split: Split, unseen_indices: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Decodes the unseen photos that are stored as files, as the champion needs them; returns indices and pixels."""
    indices, pixels = [], []
    candidates = frozenset(unseen_indices.tolist())
    for path in sorted((dataset_dir / "golden").glob("*")):
        index = split.index_of.get(path.stem)
        if index not in candidates:
            continue
        try:
            pixels.append(decode(path.read_bytes(), *_preparation(bundle)).pixels)
        except (OSError, ImageError):
            continue  # deploy reports the damaged photo; here, it is left out
        indices.append(index)
    if not indices:
        height, width = bundle.image_size
        raise NotComparableError(
            f"The champion needs photos of {height} × {width} px ({bundle.resize}), but none of the test photos "
            "that neither model was trained on is stored as a file."
        )
    return np.array(indices), np.stack(pixels)
