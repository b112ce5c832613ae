"""On the map of the photos, photos with similar embeddings are close together."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from components.evaluate.data_quality import embedding_map
from components.evaluate.data_quality.embedding_map import MapPhotos, draw_map, write_map

NUM_GROUPS = 3


def make_photos(num: int) -> tuple[MapPhotos, np.ndarray]:
    """Photos of three groups, whose embeddings differ much more between the groups than within them."""
    labels = np.arange(num, dtype=np.int32) % NUM_GROUPS
    embeddings = np.random.default_rng(0).normal(0, 0.1, (num, 40)).astype(np.float32)
    embeddings[np.arange(num), labels] += 1
    image_ids = [f"{index:04}" for index in range(num)]
    return MapPhotos(["train"] * num, image_ids, labels, labels), embeddings


@pytest.mark.parametrize("num", [12, 60, 300])
def test_the_nearest_photo_on_the_map_belongs_to_the_same_group(num: int) -> None:
    photos, embeddings = make_photos(num)
    drawn = draw_map(photos, embeddings, (), np.random.default_rng(0))
    assert drawn is not None
    assert drawn.positions.shape == (num, 2)
    assert (drawn.positions.min(), drawn.positions.max()) == (0, 1)
    distances = np.linalg.norm(drawn.positions[:, None] - drawn.positions[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (photos.labels[distances.argmin(axis=1)] == photos.labels).mean() > 0.9


def test_equal_photos_have_a_map_but_too_few_photos_have_none() -> None:
    photos, embeddings = make_photos(20)
    drawn = draw_map(photos, np.ones_like(embeddings), (), np.random.default_rng(0))
    assert drawn is not None
    assert np.isfinite(drawn.positions).all()
    photos, embeddings = make_photos(embedding_map.MIN_PHOTOS - 1)
    assert draw_map(photos, embeddings, (), np.random.default_rng(0)) is None


def test_a_sample_includes_the_doubtful_photos(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(embedding_map, "MAX_PHOTOS", 12)
    photos, embeddings = make_photos(60)
    doubtful = {"0003", "0031", "0059"}
    first, repeated = (draw_map(photos, embeddings, doubtful, np.random.default_rng(1)) for _ in range(2))
    assert first is not None
    assert repeated is not None
    assert len(first.photos.image_ids) == 12
    assert doubtful < set(first.photos.image_ids)
    write_map(tmp_path / "map.parquet", first, {"0003": "cats/3.jpg"})
    rows = pq.read_table(tmp_path / "map.parquet").to_pylist()
    assert [row["image_id"] for row in rows] == list(first.photos.image_ids)
    assert next(row for row in rows if row["image_id"] == "0003")["path"] == "cats/3.jpg"
    assert next(row for row in rows if row["image_id"] == "0059")["path"] == "0059"
    assert np.array_equal(first.positions, repeated.positions)
