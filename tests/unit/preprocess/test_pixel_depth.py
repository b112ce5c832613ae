"""Photos with more than 8 bits per value: a data set has one pixel range, which is part of the cache keys."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.contract.artifacts.audit import Finding, read_audit
from components.contract.artifacts.dataset import FULL_RANGE, SPLITS, DatasetInfo, open_split
from components.contract.errors import AuditError
from components.contract.image.decode import decode
from components.contract.params.audit import AuditParams
from components.contract.params.pipeline import PreprocessParams
from components.contract.system.cache import cache_dir
from components.preprocess import reading
from components.preprocess.step import preprocess
from components.preprocess.store.cache_index import SETTLED_NANOSECONDS
from tests.support.artifacts import CLASS_NAMES, make_photos
from tests.unit.preprocess.dataset_files import read_manifest

SIZE = (16, 12)
PARAMS = PreprocessParams(image_size=SIZE)


def add_deep_photos(folder: Path, *, highest: int, number: int = 12, seed: int = 0) -> list[Path]:
    """Writes 16-bit pictures with values from 0 to `highest`, and returns their paths."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{seed}-{photo}.png" for photo in range(number)]
    for path in paths:
        picture = rng.integers(0, highest, (40, 40), np.uint16, endpoint=True)
        picture[0, 0] = highest
        Image.fromarray(picture).save(path)
    return paths


@pytest.fixture
def xrays(tmp_path: Path) -> Path:
    """Two classes with 12 photos each; their values need 12 bits."""
    for seed, name in enumerate(("normal", "nodule")):
        add_deep_photos(tmp_path / "xrays" / name, highest=3000 + seed, seed=seed)
    return tmp_path / "xrays"


def prepare(data: Path, params: PreprocessParams = PARAMS, name: str = "dataset") -> DatasetInfo:
    return preprocess(str(data), params, data.parent / name)


def check_pixels(data: Path, info: DatasetInfo, name: str = "dataset") -> int:
    """Checks that the prepared pixels equal those of the service's decoder. Returns the number of photos."""
    paths = {row["sha256"][:32]: row["path"] for row in read_manifest(data.parent / name)}
    num_photos = 0
    for split_name in SPLITS:
        split = open_split(data.parent / name, split_name)
        for index, image_id in enumerate(split.image_ids):
            content = (data / paths[image_id]).read_bytes()
            assert np.array_equal(split.image(index), decode(content, SIZE, info.resize, info.pixel_range).pixels)
            num_photos += 1
    return num_photos


def depth_finding(dataset_dir: Path) -> Finding | None:
    return next((finding for finding in read_audit(dataset_dir).findings if finding.kind == "pixel_depth"), None)


def shards(dataset_dir: Path) -> Iterator[tuple[str, int]]:
    return ((path.name, path.stat().st_ino) for path in sorted(dataset_dir.glob("*.arrow")))


def test_12_bit_photos_are_scaled_by_one_range_and_reported(xrays: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    info = prepare(xrays)
    assert info.pixel_range == (0, 4095)
    assert check_pixels(xrays, info) == 24
    assert (
        "auto became 4095, because the values of 24 photos with more than 8 bits per value need 12 bits" in caplog.text
    )
    finding = depth_finding(xrays.parent / "dataset")
    assert finding is not None
    assert (
        "24 photos with more than 8 bits per value: values from 0 to 3,001; the median photo uses 1,2"
        in finding.message
    )
    assert "0 becomes black and 4,095 white" in finding.message
    assert not finding.cases


def test_8_bit_and_16_bit_photos_can_be_mixed(tmp_path: Path) -> None:
    data = make_photos(tmp_path / "photos", per_class=8)
    eight_bits = prepare(data, name="before")
    assert (eight_bits.pixel_range, depth_finding(tmp_path / "before")) == (FULL_RANGE, None)
    add_deep_photos(data / CLASS_NAMES[0], highest=1000)
    info = prepare(data)
    assert info.pixel_range == (0, 1023)
    assert check_pixels(data, info) == 36
    assert "12 photos with more than 8 bits per value" in depth_finding(tmp_path / "dataset").message


def test_cached_photos_are_neither_read_nor_written_again(
    xrays: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("INFO")
    time.sleep(2 * SETTLED_NANOSECONDS / 1e9)
    first = prepare(xrays, name="first")
    monkeypatch.setattr(reading, "measure_depth", lambda _: pytest.fail("cached photos must not be measured again"))
    shutil.copytree(xrays, xrays.parent / "copy" / "xrays")
    assert preprocess(str(xrays.parent / "copy" / "xrays"), PARAMS, xrays.parent / "other").pixel_range == (0, 4095)
    monkeypatch.setattr(reading, "_read", lambda _: pytest.fail("unchanged photos must not be read again"))
    assert prepare(xrays, name="second") == first
    assert "Shards written: 0" in caplog.text
    assert list(shards(xrays.parent / "second")) == list(shards(xrays.parent / "first"))


def test_a_wider_range_changes_the_fingerprint_but_not_the_cached_shards_of_8_bit_photos(tmp_path: Path) -> None:
    data = make_photos(tmp_path / "photos", per_class=20)
    before = dict(shards_of_eight_bits(prepare(data, name="first"), tmp_path / "first"))
    deep_paths = add_deep_photos(data / CLASS_NAMES[0], highest=1000)
    narrow = prepare(data, name="narrow")
    add_deep_photos(data / CLASS_NAMES[0], highest=9000, number=1, seed=5)
    wide = prepare(data, name="wide")
    assert (narrow.pixel_range, wide.pixel_range) == ((0, 1023), (0, 16_383))
    assert narrow.fingerprint != wide.fingerprint
    assert check_pixels(data, wide, "wide") == 73
    for path in [*deep_paths, *data.rglob("5-*.png")]:
        path.unlink()
    assert dict(shards_of_eight_bits(prepare(data, name="again"), tmp_path / "again")) == before


def shards_of_eight_bits(info: DatasetInfo, dataset_dir: Path) -> Iterator[tuple[str, int]]:
    assert info.pixel_range == FULL_RANGE
    return shards(dataset_dir)


def test_a_cache_that_was_emptied_is_filled_again(xrays: Path) -> None:
    first = prepare(xrays, name="first")
    for path in (cache_dir() / "pixels").glob("*/*"):
        path.unlink()
    second = prepare(xrays, name="second")
    assert second == first
    assert check_pixels(xrays, second, "second") == 24


def test_an_explicit_range_is_used_and_clipped_photos_are_reported(xrays: Path) -> None:
    bright_path = add_deep_photos(xrays / "normal", highest=9000, number=1, seed=7)[0]
    info = prepare(xrays, PreprocessParams(image_size=SIZE, pixel_range=(100, 3500)))
    assert info.pixel_range == (100, 3500)
    assert check_pixels(xrays, info) == 25
    finding = depth_finding(xrays.parent / "dataset")
    assert finding is not None
    assert "25 photos have values outside this range, which are clipped" in finding.message
    notes = {case.photos[0].path: case.note for case in finding.cases}
    assert notes[str(bright_path.relative_to(xrays))].endswith("to 9,000.")


def test_an_explicit_range_is_stored_even_without_16_bit_photos(tmp_path: Path) -> None:
    data = make_photos(tmp_path / "photos", per_class=8)
    info = prepare(data, PreprocessParams(image_size=SIZE, pixel_range=4095))
    assert info.pixel_range == (0, 4095)
    assert check_pixels(data, info) == 24
    assert depth_finding(tmp_path / "dataset") is None


def test_a_single_photo_that_needs_a_larger_range_is_reported(xrays: Path) -> None:
    bright_path = add_deep_photos(xrays / "nodule", highest=65_535, number=1, seed=7)[0]
    assert prepare(xrays).pixel_range == FULL_RANGE
    finding = depth_finding(xrays.parent / "dataset")
    assert finding is not None
    assert "Only 1 photo needs such a large range" in finding.message
    assert [case.photos[0].path for case in finding.cases] == [str(bright_path.relative_to(xrays))]


def test_photos_that_use_all_16_bits_are_not_reported(tmp_path: Path) -> None:
    for seed, name in enumerate(("left", "right")):
        add_deep_photos(tmp_path / "full" / name, highest=65_535, seed=seed)
    assert prepare(tmp_path / "full").pixel_range == FULL_RANGE
    assert depth_finding(tmp_path / "dataset") is None


def test_photos_in_an_existing_test_split_do_not_affect_the_range(tmp_path: Path) -> None:
    data = tmp_path / "split"
    for seed, (split, name) in enumerate((split, name) for split in SPLITS for name in ("left", "right")):
        add_deep_photos(data / split / name, highest=9000 if split == "test" else 1000, seed=seed)
    info = prepare(data)
    assert info.pixel_range == (0, 1023)
    assert check_pixels(data, info) == 72
    finding = depth_finding(tmp_path / "dataset")
    assert finding is not None
    assert "24 photos have values outside" in finding.message


def test_the_pixel_depth_finding_can_stop_the_run(xrays: Path) -> None:
    with pytest.raises(AuditError, match="Photos with more than 8 bits per value: 24 photos"):
        prepare(xrays, PreprocessParams(image_size=SIZE, audit=AuditParams(pixel_depth="fail")))


def test_a_broken_16_bit_photo_is_rejected_and_does_not_affect_the_range(xrays: Path) -> None:
    whole = add_deep_photos(xrays / "normal", highest=65_535, number=1, seed=9)[0]
    whole.write_bytes(whole.read_bytes()[:-40])
    info = prepare(xrays)
    assert info.pixel_range == (0, 4095)
    assert info.rejected == {"truncated": 1}
