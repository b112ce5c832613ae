"""How the augmentation is adapted to the data set: no mirroring if it changes the class of a photo."""

import logging

import pytest

from components.contract.artifacts.dataset import DatasetInfo, Source
from components.contract.params.training import TrainParams
from components.train.setup import settle_mirror

INFO = DatasetInfo(
    name="arrows",
    class_names=("left", "right"),
    image_size=(96, 96),
    resize="stretch",
    native_size=(96, 96),
    counts={split: {"left": 20, "right": 20} for split in ("train", "validation", "test")},
    rejected={},
    fingerprint="0" * 64,
    source=Source(uri="arrows"),
)


@pytest.mark.parametrize(
    ("pairs", "augmentation", "flips", "is_announced"),
    [
        ((), "medium", True, False),
        ((("left", "right"),), "medium", False, True),
        ((("left", "right"),), "light", False, False),
        ((("left", "right"),), {"horizontal_flip": True}, True, False),
    ],
)
def test_presets_do_not_mirror_photos_if_mirroring_changes_their_class(
    pairs: tuple[tuple[str, str], ...],
    augmentation: object,
    flips: bool,
    is_announced: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    params = TrainParams.model_validate({"augmentation": augmentation})
    with caplog.at_level(logging.INFO):
        settled = settle_mirror(params, INFO.model_copy(update={"mirror_pairs": pairs}))
    assert settled.augmentation_params.horizontal_flip == flips
    assert ("mirrored photos of left look like right" in caplog.text) == is_announced
    assert settle_mirror(settled, INFO.model_copy(update={"mirror_pairs": pairs})) == settled
