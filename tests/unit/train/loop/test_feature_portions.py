"""Features do not depend on the number of tasks that compute them, and only missing portions are computed."""

from pathlib import Path

import keras
import numpy as np
import pytest

from components.contract.artifacts.dataset import Split, open_split
from components.contract.params.augmentation import AUGMENTATION_PRESETS
from components.train.loop import features
from components.train.loop.features import FeatureCache
from components.train.loop.inference import FeatureRequest
from tests.support.artifacts import make_dataset

NUM_PORTIONS = 2 * 4 + 2
"""Four for each of two views of the training photos, and two for one view of the validation photos."""


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Split, Split]:
    folder = tmp_path_factory.mktemp("made") / "dataset"
    make_dataset(folder, per_class=40, side=16)
    return open_split(folder, "train"), open_split(folder, "validation")


@pytest.fixture(scope="module")
def frozen() -> keras.Model:
    keras.utils.set_random_seed(3)
    pixels = keras.Input((16, 16, 3), dtype="uint8")
    scaled = keras.layers.Rescaling(1 / 255)(pixels)
    return keras.Model(pixels, keras.layers.Conv2D(4, 3, activation="relu", strides=4)(scaled))


@pytest.fixture(autouse=True)
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "PORTION_PHOTOS", 32)


def use_cache(folder: Path, monkeypatch: pytest.MonkeyPatch, store: Path | None = None) -> None:
    monkeypatch.setenv("DARKROOM_CACHE", str(folder))
    if store is not None:
        monkeypatch.setenv("DARKROOM_STORE", str(store))


def requests_of(splits: tuple[Split, Split]) -> list[FeatureRequest]:
    training, validation = splits
    rest = validation.labels[:40]
    validation = Split([validation.gather(np.arange(40))], rest, validation.image_ids[:40])
    training = Split([training.gather(np.arange(104))], training.labels[:104], training.image_ids[:104])
    medium = AUGMENTATION_PRESETS["medium"]
    return [FeatureRequest(training, "train", 2, medium, 5), FeatureRequest(validation, "validation", 1, medium, 5)]


def compute(frozen: keras.Model, splits: tuple[Split, Split], part: int, num_parts: int) -> int:
    return FeatureCache(frozen, "float32").compute_part(requests_of(splits), part, num_parts)


def gather(frozen: keras.Model, splits: tuple[Split, Split]) -> dict[str, bytes]:
    """Returns the content of each feature file that training uses, by file name."""
    cache = FeatureCache(frozen, "float32")
    for request in requests_of(splits):
        cache.get(request)
    return {path.name: path.read_bytes() for path in features.cache_dir().glob("features/*.npy")}


def refuse(*_: object) -> None:
    raise AssertionError("features must not be computed again")


@pytest.fixture(scope="module")
def expected(
    frozen: keras.Model, splits: tuple[Split, Split], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_cache(tmp_path_factory.mktemp("alone"), monkeypatch)
        return gather(frozen, splits)


@pytest.mark.parametrize(("num_parts", "is_shared"), [(1, True), (3, False), (8, True), (40, False)])
def test_features_are_the_same_for_every_number_of_parts(
    num_parts: int,
    is_shared: bool,
    frozen: keras.Model,
    splits: tuple[Split, Split],
    expected: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use_cache(tmp_path / "cache", monkeypatch, tmp_path / "store" if is_shared else None)
    numbers = [compute(frozen, splits, part, num_parts) for part in range(num_parts)]
    assert sum(numbers) == NUM_PORTIONS
    assert max(numbers) - min(numbers) <= 1, "the portions must be divided evenly among the tasks"
    monkeypatch.setattr(features, "fastest_inference", refuse)
    assert gather(frozen, splits) == expected
    left = [path for path in (tmp_path / "cache" / "shared").rglob("*") if path.is_file()]
    assert left == [], "no portion may remain once its view is complete"


def test_only_missing_portions_are_computed(
    frozen: keras.Model,
    splits: tuple[Split, Split],
    expected: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use_cache(tmp_path / "cache", monkeypatch)
    first = compute(frozen, splits, 0, 2)
    assert compute(frozen, splits, 0, 2) == 0
    assert sum(compute(frozen, splits, part, 3) for part in range(3)) == NUM_PORTIONS - first
    assert gather(frozen, splits) == expected
    assert compute(frozen, splits, 0, 1) == 0, "nothing may be computed if the views exist"


def test_damaged_portions_are_computed_again(
    frozen: keras.Model,
    splits: tuple[Split, Split],
    expected: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use_cache(tmp_path / "cache", monkeypatch, tmp_path / "store")
    compute(frozen, splits, 0, 1)
    first, second, third, *_ = sorted((tmp_path / "store").rglob("*.npy"))
    first.write_bytes(b"")
    second.write_bytes(second.read_bytes()[:-1])
    np.save(third, np.zeros((3, 3), np.float16))
    assert gather(frozen, splits) == expected


def test_two_runs_share_one_cache(
    frozen: keras.Model,
    splits: tuple[Split, Split],
    expected: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first run combines portions that the second run still needs; the second finds the finished views instead."""
    use_cache(tmp_path / "cache", monkeypatch)
    compute(frozen, splits, 0, 2)
    compute(frozen, splits, 1, 2)
    assert gather(frozen, splits) == expected
    assert compute(frozen, splits, 1, 2) == 0
    assert gather(frozen, splits) == expected
