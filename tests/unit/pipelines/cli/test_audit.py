"""`darkroom audit` writes a report, prints a table or JSON, and exits with code 2 if the audit fails."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.contract.image.preview import GAP, TILE
from tests.support.artifacts import make_photos
from tests.unit.preprocess.dataset_files import tree

ROOT = Path(__file__).parents[4]


def darkroom(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    command = [
        sys.executable,
        "-c",
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import pipelines.cli.main as c; c.main()",
    ]
    return subprocess.run([*command, "audit", *arguments], cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = make_photos(tmp_path / "photos", per_class=6)
    (folder / "red" / "half.png").write_bytes((folder / "red" / "000.png").read_bytes()[:300])
    return folder


def test_the_audit_prints_its_findings_and_writes_a_self_contained_report(photos: Path, tmp_path: Path) -> None:
    before = tree(photos)
    result = darkroom("photos", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "Files that cannot be used" in result.stdout
    assert "19 files, 18 photos kept" in result.stdout
    assert "files per second" in result.stdout
    page = (tmp_path / "audits" / "photos" / "audit.html").read_text()
    assert "half.png" in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert tree(photos) == before


def test_classes_and_counts_are_shown_before_any_work(photos: Path, tmp_path: Path) -> None:
    (photos / "test").mkdir()
    (photos / "red" / "001.png").rename(photos / "test" / "unknown.png")
    result = darkroom("photos", cwd=tmp_path)
    first, notice, work = result.stdout.splitlines()[:3]
    assert first == "Found 18 photos in 3 classes: blue 6, green 6, red 6."
    assert notice.startswith("Folders left out because their names are unlikely to be class names: test (1 photo).")
    assert work.startswith("Read 18 files")
    assert "How the data was read" in result.stdout
    assert "test (1 photo)" in (tmp_path / "audits" / "photos" / "audit.html").read_text()


def test_a_failed_audit_exits_with_code_2_and_still_writes_the_report(photos: Path, tmp_path: Path) -> None:
    result = darkroom("photos", "--json", "--set", "preprocess.audit.broken=fail", "--output", "out", cwd=tmp_path)
    assert result.returncode == 2
    assert json.loads(result.stdout)["findings"][0]["policy"] == "fail"
    assert "The audit of photos failed: 1 finding with the policy fail" in result.stderr
    assert "This stops a run" in (tmp_path / "out" / "audit.html").read_text()


def test_the_page_shows_the_augmentation_that_the_params_set(photos: Path, tmp_path: Path) -> None:
    result = darkroom("photos", "--output", "out", "--set", "train.augmentation=none", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    gray = np.asarray(Image.open(tmp_path / "out" / "augmentation.jpg").convert("L")).astype(int)
    lines = [gray[top : top + TILE] for top in range(GAP, gray.shape[0], TILE + GAP)]
    assert len(lines) == 4, "there must be a row for the params, and one for each of the three presets"
    assert _most_change(lines[0]) < 4 < 20 < _most_change(lines[3]), (
        "only JPEG compression may change the tiles of the first row; the last row must differ visibly"
    )


def _most_change(line: np.ndarray) -> float:
    """The largest mean difference between the last of a row's eight tiles and any other one."""
    step = TILE + GAP
    tiles = [line[:, -start : -start + TILE] for start in range(step, 9 * step, step)]
    return max(float(np.abs(tile - tiles[0]).mean()) for tile in tiles)


def test_data_that_cannot_be_split_fails_the_audit_but_has_a_report(photos: Path, tmp_path: Path) -> None:
    for path in sorted((photos / "blue").iterdir())[1:]:
        path.unlink()
    result = darkroom("photos", cwd=tmp_path)
    assert result.returncode == 2
    assert "'blue' must have at least 3 usable photos" in result.stderr
    assert (tmp_path / "audits" / "photos" / "audit.json").is_file()


def test_the_report_never_replaces_the_users_files(photos: Path, tmp_path: Path) -> None:
    before = tree(tmp_path)
    for output in ("photos", "photos/red/report", "."):
        result = darkroom("photos", "--output", output, cwd=tmp_path)
        assert (result.returncode, "--output FOLDER" in result.stderr) == (2, True)
    assert tree(tmp_path) == before
