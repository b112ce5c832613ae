"""Two runs that share one cache, either one after the other or at the same time."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from components.preprocess import step
from components.preprocess.parts.work import list_photos, read_photos
from components.preprocess.step import preprocess
from tests.support.source_tree import ROOT
from tests.unit.preprocess.dataset_files import tree
from tests.unit.preprocess.parts.test_parts import PARAMS, photos, small_portions, use_cache

__all__ = ["photos", "small_portions"]


@pytest.mark.parametrize("num_read_before", range(4))
def test_two_runs_on_one_cache_do_not_affect_each_other(
    num_read_before: int,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The first run merges, which empties the store, after the second run has read some of its own parts."""
    use_cache(tmp_path / "cache", monkeypatch)
    first, second = tmp_path / "first", tmp_path / "second"
    list_photos(str(photos), PARAMS, first / "listing")
    for part in range(3):
        read_photos(str(photos), PARAMS, first / "listing", part, 3)
    list_photos(str(photos), PARAMS, second / "listing")
    caplog.set_level("INFO", logger="components")
    caplog.clear()
    for part in range(3):
        if part == num_read_before:
            preprocess(str(photos), PARAMS, first / "dataset", listing_dir=first / "listing")
        read_photos(str(photos), PARAMS, second / "listing", part, 3)
    preprocess(str(photos), PARAMS, second / "dataset", listing_dir=second / "listing")
    if num_read_before == 3:
        preprocess(str(photos), PARAMS, first / "dataset", listing_dir=first / "listing")
    assert caplog.text.count("Read portion") == 0
    assert caplog.text.count("Files read: none; all are in the cache: ") == 2
    assert tree(second / "dataset") == tree(first / "dataset")


def test_the_run_that_ends_first_does_not_remove_pixels_that_the_other_needs(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both runs have adopted the same packs; the first to finish moves the pixels to shards and removes the packs."""
    use_cache(tmp_path / "alone", monkeypatch)
    preprocess(str(photos), PARAMS, tmp_path / "whole")
    use_cache(tmp_path / "cache", monkeypatch)
    list_photos(str(photos), PARAMS, tmp_path / "listing")
    read_photos(str(photos), PARAMS, tmp_path / "listing", 0, 1)
    merge = partial(preprocess, str(photos), PARAMS, listing_dir=tmp_path / "listing")

    packs_dir = tmp_path / "cache" / "pixels" / "packs"

    def end_first(*_: object) -> None:
        monkeypatch.setattr(step, "refuse_failures", lambda *_: None)
        packs = set(packs_dir.iterdir())
        merge(tmp_path / "first")
        assert packs.isdisjoint(packs_dir.iterdir()), "the run that ends first must remove all earlier packs"

    monkeypatch.setattr(step, "refuse_failures", end_first)
    merge(tmp_path / "second")
    assert tree(tmp_path / "first") == tree(tmp_path / "second") == tree(tmp_path / "whole")


RUN_IN_PARTS = """
import sys
from pathlib import Path
from components.contract.params.pipeline import PreprocessParams
from components.preprocess.parts import portions
from tests.unit.preprocess.parts.test_parts import prepare_in_parts
portions.PORTION_FILES = 8
prepare_in_parts(Path(sys.argv[1]), Path(sys.argv[2]), 3)
"""


def test_two_runs_at_the_same_time_share_a_cache(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_cache(tmp_path / "alone", monkeypatch)
    preprocess(str(photos), PARAMS, tmp_path / "whole")
    use_cache(tmp_path / "cache", monkeypatch)
    works = [tmp_path / name for name in ("first", "second")]
    programs = [
        subprocess.Popen([sys.executable, "-c", RUN_IN_PARTS, str(photos), str(work)], cwd=ROOT) for work in works
    ]
    assert [program.wait(timeout=300) for program in programs] == [0, 0]
    for work in works:
        assert tree(work / "dataset") == tree(tmp_path / "whole")
