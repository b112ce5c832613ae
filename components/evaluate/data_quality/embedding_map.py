"""A map of the photos: photos with similar embeddings are close together.

The positions are computed with t-SNE (van der Maaten and Hinton, 2008) from the embeddings' principal components.
Neighborhoods are meaningful; distances between groups and the directions of the axes are not.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from components.contract.inference.calibration import to_unit_length

MAX_PHOTOS: Final = 1000
"""The maximum number of photos on the map: with more, t-SNE takes longer, O(n log n), and the dots overlap."""
MIN_PHOTOS: Final = 10
NUM_COMPONENTS: Final = 30
PERPLEXITY: Final = 30.0
NUM_STEPS: Final = 500


@dataclass(frozen=True)
class MapPhotos:
    """Photos to show on a map.

    Attributes:
        splits: the split of each of the n photos.
        image_ids: the content hash of each photo.
        labels: int32 (n,).
        predicted: int (n,), the class with the highest probability; for a training photo, according to a head that was
            not trained on it.
    """

    splits: Sequence[str]
    image_ids: Sequence[str]
    labels: np.ndarray
    predicted: np.ndarray


@dataclass(frozen=True)
class EmbeddingMap:
    """Photos with their positions on the map.

    Attributes:
        photos: at most MAX_PHOTOS photos.
        positions: float32 (n, 2), from 0 to 1.
    """

    photos: MapPhotos
    positions: np.ndarray


def draw_map(
    photos: MapPhotos, embeddings: np.ndarray, doubtful: Collection[str], rng: np.random.Generator
) -> EmbeddingMap | None:
    """A map of a random sample of the photos; None if there are fewer than MIN_PHOTOS.

    Args:
        photos: the n photos to draw the sample from.
        embeddings: float32 (n, features).
        doubtful: image_ids of photos that are included in the sample before all others.
        rng: draws the sample, and the seed for PCA and t-SNE.
    """
    if len(photos.labels) < MIN_PHOTOS:
        return None
    order = rng.permutation(len(photos.labels))
    is_doubtful = np.array([photos.image_ids[index] in doubtful for index in order], bool)
    indices = np.sort(np.concatenate([order[is_doubtful], order[~is_doubtful]])[:MAX_PHOTOS])
    sample = MapPhotos(
        [photos.splits[index] for index in indices],
        [photos.image_ids[index] for index in indices],
        photos.labels[indices],
        photos.predicted[indices],
    )
    return EmbeddingMap(sample, _place(embeddings[indices], int(rng.integers(2**31))))


def _place(embeddings: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    num_photos, num_features = embeddings.shape
    components = PCA(min(NUM_COMPONENTS, num_photos, num_features), random_state=seed)
    perplexity = min(PERPLEXITY, (num_photos - 1) / 3)
    tsne = TSNE(2, init="pca", perplexity=perplexity, max_iter=NUM_STEPS, random_state=seed)
    with threadpool_limits(1):  # with several threads, the order of additions varies, and thus the rounding
        positions = tsne.fit_transform(components.fit_transform(to_unit_length(embeddings)))
    low, high = positions.min(axis=0), positions.max(axis=0)
    scaled: np.ndarray = ((positions - low) / np.maximum(high - low, 1e-9)).astype(np.float32)
    return scaled


def write_map(path: Path, embedding_map: EmbeddingMap, paths: Mapping[str, str]) -> None:
    """Writes a Parquet file with the columns split, image_id, path, label, predicted, x and y.

    Args:
        path: the Parquet file.
        embedding_map: the map to write.
        paths: paths of the original files, by image_id; if a path is unknown, the image_id is written instead.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    photos = embedding_map.photos
    table = pa.table(
        {
            "split": pa.array(photos.splits, pa.string()),
            "image_id": pa.array(photos.image_ids, pa.string()),
            "path": pa.array([paths.get(image_id, image_id) for image_id in photos.image_ids], pa.string()),
            "label": pa.array(photos.labels, pa.int32()),
            "predicted": pa.array(photos.predicted, pa.int32()),
            "x": pa.array(embedding_map.positions[:, 0], pa.float32()),
            "y": pa.array(embedding_map.positions[:, 1], pa.float32()),
        }
    )
    pq.write_table(table, path)
