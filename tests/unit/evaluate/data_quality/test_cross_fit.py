"""Each label is checked by a head that was not trained on its photo; photos unlike all others are outliers."""

import csv
from pathlib import Path

import numpy as np
import pytest

from components.evaluate.data_quality.cross_fit import cross_fit
from components.evaluate.data_quality.label_errors import HeldOutPredictions, find_label_errors
from components.evaluate.data_quality.outliers import MIN_PHOTOS, find_outliers, neighbor_distances, write_outliers


def clusters(num: int, num_classes: int, features: int = 32, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = (np.arange(num) % num_classes).astype(np.int32)
    centers = rng.normal(0, 1.5, (num_classes, features))
    return (centers[labels] + rng.normal(0, 1, (num, features))).astype(np.float32), labels


def test_planted_wrong_labels_are_found_among_all_photos() -> None:
    embeddings, labels = clusters(600, 6)
    rng = np.random.default_rng(1)
    planted = rng.permutation(600)[:30]
    wrong = labels.copy()
    wrong[planted] = (labels[planted] + rng.integers(1, 6, 30)) % 6
    probabilities = cross_fit(embeddings, wrong, 6, np.random.default_rng(2))
    assert probabilities.shape == (600, 6)
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    held_out = HeldOutPredictions(["train"] * 600, [str(row) for row in range(600)], wrong, probabilities)
    found = {int(error.image_id): error.suggested for error in find_label_errors(held_out)}
    assert len(found.keys() & set(planted.tolist())) >= 24
    assert len(found.keys() - set(planted.tolist())) <= 2
    assert all(found[row] == labels[row] for row in found.keys() & set(planted.tolist()))


def test_no_photo_is_checked_by_a_head_trained_on_it() -> None:
    """With more features than photos, a head can memorize random labels, but its held-out accuracy stays at chance."""
    rng = np.random.default_rng(0)
    embeddings, labels = rng.normal(size=(200, 300)).astype(np.float32), rng.integers(0, 2, 200).astype(np.int32)
    probabilities = cross_fit(embeddings, labels, 2, rng)
    assert 0.35 < (probabilities.argmax(axis=1) == labels).mean() < 0.65


@pytest.mark.parametrize("case", ["one-photo classes", "a class without photos", "constant features", "wide embedding"])
def test_probabilities_are_finite_for_unusual_data(case: str) -> None:
    embeddings, labels = clusters(40, 4, 3000 if case == "wide embedding" else 8)
    if case == "one-photo classes":
        labels[:4], labels[4:] = np.arange(4), 0
    if case == "constant features":
        embeddings[:] = 1
    num_classes = 7 if case == "a class without photos" else 4
    probabilities = cross_fit(embeddings, labels, num_classes, np.random.default_rng(0))
    assert np.isfinite(probabilities).all()


def test_neighbor_distances_equal_those_of_a_full_search() -> None:
    embeddings, _ = clusters(700, 5)
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, -np.inf)
    expected = 1 - np.sort(similarity, axis=1)[:, -10:].mean(axis=1)
    assert np.allclose(neighbor_distances(unit), expected, atol=1e-5)


@pytest.mark.parametrize("split", ["train", "test"])
def test_an_outlier_is_found_in_the_train_split_and_in_other_splits(split: str, tmp_path: Path) -> None:
    embeddings, labels = clusters(600, 4)
    splits = ["train"] * 300 + ["test"] * 300
    row = 10 if split == "train" else 400
    embeddings[row] = np.random.default_rng(5).normal(0, 3, embeddings.shape[1])
    image_ids = [f"photo {index}" for index in range(600)]
    outliers = find_outliers(splits, image_ids, labels, embeddings)
    assert (outliers[0].image_id, outliers[0].split) == (f"photo {row}", split)
    assert len(outliers) <= 2
    write_outliers(tmp_path / "outliers.csv", outliers, ("a", "b", "c", "=d"), {f"photo {row}": "a/1.jpg"})
    with (tmp_path / "outliers.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["path"] == "a/1.jpg"
    assert not any(line["label"].startswith("=") for line in rows)


def test_no_outliers_are_reported_for_too_few_photos() -> None:
    embeddings, labels = clusters(MIN_PHOTOS - 1, 2)
    embeddings[0] = 100
    num = len(labels)
    assert find_outliers(["train"] * num, [str(row) for row in range(num)], labels, embeddings) == []
