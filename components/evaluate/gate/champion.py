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
    """Champion and candidate cannot be scored on the same photos; the message gives the reason."""


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
        predicted: int (m,), the candidate's label of each photo's class as the champion names it.
        indices: int (m,), which of the test photos these are.
        num_left_out: test photos that one of the two models was trained on.
    """

    predicted: np.ndarray
    indices: np.ndarray
    num_left_out: int = 0


def find_champion(model_name: str) -> Champion | None:
    """The version with the alias `champion`; None if there is none.

    Raises:
        Exception: the registry does not answer, as an error of MLflow or its libraries.
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
    # The bundle is the source itself of versions that were registered before MLflow could load them.
    bundle_uri = model_version.tags.get(BUNDLE_TAG, model_version.source)
    return Champion(str(version), model_version.run_id, str(bundle_uri))


def score_champion(
    champion: Champion, dataset_dir: Path, dataset: DatasetInfo, split: Split, train_image_ids: Collection[str]
) -> Rival:
    """Scores the champion now, on the test photos that neither model was trained on.

    Args:
        champion: from the registry.
        dataset_dir: golden/ contains photos for a champion with another image size, manifest.parquet lists the copies.
        dataset: the candidate's.
        split: its test photos.
        train_image_ids: that the candidate was trained on.

    Raises:
        NotComparableError: classes differ, the model is gone, or no photo is left to compare on.
    """
    with tempfile.TemporaryDirectory(prefix="darkroom-champion-") as folder:
        bundle_dir = download_bundle(champion, Path(folder))
        try:
            bundle = read_bundle(bundle_dir)
            if export_sha256(bundle_dir / "export") != bundle.export.sha256:
                raise NotComparableError("Its exported graph has changed since training; a file was modified.")
            champion_image_ids = read_train_image_ids(bundle_dir)
            require_known_photos(bundle, champion_image_ids, dataset)
            seen_ids = frozenset(train_image_ids).union(champion_image_ids or ())
            indices = find_unseen(split, seen_ids, dataset_dir / "manifest.parquet")
            require_photos(indices, dataset)
            graph = InferenceGraph(bundle_dir / "export")
        except (ArtifactError, UnicodeDecodeError) as error:
            raise NotComparableError(f"Its artifact is damaged: {str(error).splitlines()[0]}") from None
        if graph.image_size != bundle.image_size:
            raise NotComparableError("The image size of its graph differs from its bundle.")
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
        raise NotComparableError("It does not return one finite number per class for every photo.")
    return Rival(candidate_labels[logits.argmax(axis=1)], indices, num_left_out)


def download_bundle(champion: Champion, folder: Path) -> Path:
    """Downloads the parts of the champion's bundle that are needed.

    Raises:
        NotComparableError: it is gone, or its store does not answer.
    """
    from mlflow.artifacts import download_artifacts

    names = ("bundle.json", "export", "train_image_ids.txt")
    for name in names:
        try:
            download_artifacts(artifact_uri=f"{champion.bundle_uri.rstrip('/')}/{name}", dst_path=str(folder))
        except Exception as error:  # MLflow raises its own errors and those of the file system and the store
            if name == names[-1]:
                continue  # bundles of before did not name their photos
            raise NotComparableError(f"Its artifact is missing or unreachable: {reason_of(error)}.") from None
    return folder


def require_known_photos(bundle: BundleInfo, train_image_ids: frozenset[str] | None, dataset: DatasetInfo) -> None:
    """Refuses a champion that may have been trained on any of the test photos.

    Raises:
        NotComparableError: it does not record which photos it was trained on.
    """
    # Of the same data it has the same split: what was a training photo then is one now.
    if train_image_ids is None and bundle.dataset_fingerprint != dataset.fingerprint:
        raise NotComparableError(
            "Its training photos are not recorded, and it was trained on other data; test photos may be among them."
        )


def require_photos(indices: np.ndarray, dataset: DatasetInfo) -> None:
    """Refuses to compare if there are no photos to compare on.

    Raises:
        NotComparableError: there is no test photo that neither model was trained on.
    """
    if not len(indices):
        raise NotComparableError(
            f"One of the two models was trained on each of the {pluralize(dataset.num_images('test'), 'test photo')}, "
            "or on a near-duplicate of it, so none is left for the comparison. "
            f"{advise_more_photos(dataset, MIN_COMPARED)}"
        )


def advise_more_photos(dataset: DatasetInfo, num_missing: int) -> str:
    """How many photos to add so that the test split gains about `num_missing`, and the alternative, as text."""
    num_photos = math.ceil(num_missing * dataset.num_kept / dataset.num_images("test"))
    return (
        f"Add photos until the test split has {num_missing} more (with the fractions of this data set, "
        f"about {num_photos:,} in total), and run again. Or decide yourself: evaluate.gate.promote lists "
        "the verdicts that promote."
    )


def class_order(bundle: BundleInfo, dataset: DatasetInfo) -> np.ndarray:
    """Maps each label of the champion to the candidate's label of the same class.

    Raises:
        NotComparableError: they do not have the same classes.
    """
    missing_classes, extra_classes = (
        sorted(set(ours) - set(theirs))
        for ours, theirs in ((dataset.class_names, bundle.class_names), (bundle.class_names, dataset.class_names))
    )
    if missing_classes or extra_classes:
        differences = [
            f"{word} {', '.join(names[:5])}"
            for word, names in (("it lacks", missing_classes), ("only it has", extra_classes))
            if names
        ]
        raise NotComparableError(f"Its classes differ: {'; '.join(differences)}.")
    return np.array([dataset.class_names.index(name) for name in bundle.class_names])


def _preparation(info: BundleInfo | DatasetInfo) -> tuple[tuple[int, int], Resize, PixelRange]:
    """How photos become pixels."""
    return info.image_size, info.resize, info.pixel_range


def _decode_golden(
    dataset_dir: Path, bundle: BundleInfo, split: Split, unseen_indices: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Those of the photos that are kept as files, decoded as the champion takes them: their places, their pixels."""
    indices, pixels = [], []
    candidates = frozenset(unseen_indices.tolist())
    for path in sorted((dataset_dir / "golden").glob("*")):
        index = split.index_of.get(path.stem)
        if index not in candidates:
            continue
        try:
            pixels.append(decode(path.read_bytes(), *_preparation(bundle)).pixels)
        except (OSError, ImageError):
            continue  # deploy reports it; here, the photo is left out
        indices.append(index)
    if not indices:
        height, width = bundle.image_size
        raise NotComparableError(
            f"It needs photos of {height} × {width} px ({bundle.resize}), and no test photo that neither "
            "model was trained on is stored as a file."
        )
    return np.array(indices), np.stack(pixels)
