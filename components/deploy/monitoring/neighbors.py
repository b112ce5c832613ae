"""Finds the training photos whose embeddings are most similar to the embedding of a photo."""

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.contract.artifacts.dataset import Split, open_split
from components.contract.errors import ArtifactError
from components.contract.inference.calibration import to_unit_length
from components.contract.system.atomic_files import write_file
from components.contract.system.progress import Progress
from components.deploy.service.classifier import Classifier

log = logging.getLogger(__name__)

BATCH_SIZE = 64


@dataclass(frozen=True)
class Neighbor:
    """A training photo, and how similar it is to the photo in question.

    Attributes:
        image_id: the content hash of the photo.
        label: the index of its class.
        similarity: the cosine similarity of the embeddings of the two photos, at most 1.
    """

    image_id: str
    label: int
    similarity: float


def find_nearest(
    embedding: np.ndarray, classifier: Classifier, dataset_dir: Path, cache_dir: Path, number: int
) -> list[Neighbor]:
    """Finds the training photos that are most similar to a photo, the most similar first.

    Args:
        embedding: float32 (features,).
        classifier: the model that computed the embedding.
        dataset_dir: the data set that the model was trained on.
        cache_dir: the folder in which the embeddings of the training photos are cached.
        number: the number of photos to return.

    Raises:
        ArtifactError: the data set is missing or damaged, or the embedding is from a different network.
    """
    split = open_split(dataset_dir, "train")
    embeddings = _load_embeddings(classifier, split, cache_dir)
    if embeddings.shape[1] != len(embedding):
        raise ArtifactError(
            f"The embedding must come from this bento's network and have {embeddings.shape[1]} numbers; "
            f"it has {len(embedding)}."
        )
    similarity = embeddings.astype(np.float32) @ to_unit_length(embedding[np.newaxis])[0]
    order = np.argsort(-similarity, kind="stable")[:number]
    return [
        Neighbor(split.image_ids[index], int(split.labels[index]), round(float(similarity[index]), 4))
        for index in order
    ]


def read_paths(dataset_dir: Path) -> dict[str, str]:
    """The path of each kept photo, relative to the data folder, by image_id; empty if the manifest is missing."""
    import pyarrow.parquet as pq

    path = dataset_dir / "manifest.parquet"
    if not path.is_file():
        return {}
    table = pq.read_table(path, columns=["path", "sha256", "split"])
    columns = (table[name].to_pylist() for name in ("path", "sha256", "split"))
    return {sha256[:32]: where for where, sha256, split in zip(*columns, strict=True) if split is not None and sha256}


def _load_embeddings(classifier: Classifier, split: Split, cache_dir: Path) -> np.ndarray:
    """The embeddings at unit length, float16 (n, features); they are computed once and then cached."""
    facts = classifier.facts.lineage
    key = hashlib.sha256(f"{facts.export_sha256} {facts.dataset_fingerprint}".encode()).hexdigest()[:32]
    path = cache_dir / "embeddings" / f"{key}.npy"
    try:
        cached: np.ndarray = np.load(path, allow_pickle=False)
        if len(cached) == len(split):
            return cached
    except (OSError, ValueError, EOFError):  # missing or damaged: computed again
        pass
    embeddings = _compute_embeddings(classifier, split)
    try:
        write_file(path, _encode_npy(embeddings))
    except OSError as error:
        log.warning("The embeddings cannot be cached in %s: %s.", path.parent, error)
    return embeddings


def _compute_embeddings(classifier: Classifier, split: Split) -> np.ndarray:
    log.info("Computing the embeddings of %d training photos; they are then cached.", len(split))
    progress = Progress(len(split))
    parts = []
    for start in range(0, len(split), BATCH_SIZE):
        pixels = split.gather(np.arange(start, min(start + BATCH_SIZE, len(split))))
        parts.append(to_unit_length(classifier.graph.run(pixels, with_feature_map=False).embedding).astype(np.float16))
        progress.report(start + len(pixels))
    return np.concatenate(parts)


def _encode_npy(array: np.ndarray) -> bytes:
    import io

    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()
