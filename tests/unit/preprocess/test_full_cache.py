"""If the cache cannot be written to, this is reported once, and the work continues without the cache."""

import errno
import logging
from pathlib import Path

import pytest

from components.contract.errors import ArtifactError
from components.contract.params.pipeline import PreprocessParams
from components.preprocess.step import preprocess
from tests.support.artifacts import make_photos
from tests.support.small_disk import remount, small_disk

PARAMS = PreprocessParams(image_size=64)


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [text for text in caplog.messages if "cannot be written" in text or "cannot be used" in text]


@pytest.mark.parametrize("size", ["4k", "100k", "200k", "300k", "600k", "900k"])
def test_photos_are_prepared_even_if_the_cache_is_full(
    size: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    photos = make_photos(tmp_path / "photos", per_class=20, size=(64, 64))
    monkeypatch.setenv("DARKROOM_CACHE", str(tmp_path / "roomy"))
    expected = preprocess(str(photos), PARAMS, tmp_path / "expected")
    with small_disk(tmp_path / "disk", size) as disk, caplog.at_level(logging.WARNING):
        monkeypatch.setenv("DARKROOM_CACHE", str(disk))
        info = preprocess(str(photos), PARAMS, tmp_path / "dataset")
        assert (info.fingerprint, info.num_kept) == (expected.fingerprint, expected.num_kept)
        assert len(warnings_of(caplog)) == 1, caplog.messages
        for name in ("train-00000.arrow", "test-00000.arrow"):
            assert (tmp_path / "dataset" / name).read_bytes() == (tmp_path / "expected" / name).read_bytes()
        again = preprocess(str(photos), PARAMS, tmp_path / "dataset")
        assert again.fingerprint == expected.fingerprint


def test_photos_are_prepared_even_if_the_cache_becomes_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with small_disk(tmp_path / "disk", "32m") as disk, caplog.at_level(logging.WARNING):
        monkeypatch.setenv("DARKROOM_CACHE", str(disk))
        preprocess(str(make_photos(tmp_path / "photos", per_class=6)), PARAMS, tmp_path / "dataset")
        remount(disk, "ro")
        photos = make_photos(tmp_path / "photos", per_class=8, seed=3)
        assert preprocess(str(photos), PARAMS, tmp_path / "dataset").num_kept > 0
        assert len(warnings_of(caplog)) == 1, caplog.messages
        remount(disk, "rw")


def test_a_full_output_disk_is_reported_with_its_free_space(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", per_class=20, size=(64, 64))
    with small_disk(tmp_path / "disk", "200k") as disk:
        with pytest.raises(ArtifactError, match=r"disk is too full for .*dataset.* are free in") as refusal:
            preprocess(str(photos), PARAMS, disk / "dataset")
        assert isinstance(refusal.value.__cause__, OSError)
        assert refusal.value.__cause__.errno in (None, errno.ENOSPC)
        assert list(disk.iterdir()) == []
