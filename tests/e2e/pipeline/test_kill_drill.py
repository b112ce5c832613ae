"""kill -9 at every point of `data add` and `data relabel`, and at random times.

No photo is lost, and the next call completes the change.
"""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.data import versions
from pipelines.data.relabel import relabel
from tests.support.artifacts import make_photos
from tests.support.kill_points import killed
from tests.unit.pipelines.data.repositories import _empty_repository, repository, run
from tests.unit.pipelines.data.test_recovery import ADD, RELABEL
from tests.unit.preprocess.dataset_files import tree

__all__ = ["_empty_repository", "repository"]

pytestmark = pytest.mark.proof

POINTS = ("os.rename", "os.remove", "subprocess.Popen", "shutil.copyfile", "shutil.rmtree", "os.mkdir")
"""The kinds of calls at which the process is killed: moves, removals, started programs, copies, new folders."""
DECISIONS = '{"red/a.png": "blue", "green/001.png": null}'


def copied_whole(root: Path, photos: Path) -> bool:
    return tree(root / "data" / "copy") == tree(photos)


def test_adding_continues_after_a_kill_at_any_point(repository: Path, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "outside", per_class=2)
    before = tree(photos)
    for number in range(1, 200):
        is_complete = not killed(ADD, str(photos), at=POINTS, number=number)
        assert tree(photos) == before
        if is_complete:
            break
        assert versions.add(photos, "copy").num_files == 6, number
        assert copied_whole(repository, photos)
        assert run("git", "status", "--porcelain", cwd=repository) == ""
        run("git", "rm", "-q", "data/copy.dvc", cwd=repository)
        run("git", "commit", "-qm", "Remove", cwd=repository)
        run("rm", "-rf", "data/copy", cwd=repository)
        hidden = [path.name for path in (repository / "data").iterdir() if path.name != ".gitignore"]
        assert hidden == [], number
    assert is_complete
    assert number > 12


def test_relabeling_continues_after_a_kill_at_any_point(repository: Path) -> None:
    photos = make_photos(repository / "photos", per_class=2)
    (photos / "red" / "000.png").rename(photos / "red" / "a.png")
    first = versions.add(photos, None)
    before = tree(photos)
    for number in range(1, 200):
        is_complete = not killed(RELABEL, DECISIONS, at=POINTS, number=number)
        if is_complete:
            break
        version = relabel(repository, "photos", {"red/a.png": "blue", "green/001.png": None})
        assert (version.num_files, version.subject) == (5, "Relabel 2 photos in photos"), number
        assert run("git", "status", "--porcelain", cwd=repository) == ""
        assert [path.name for path in repository.iterdir() if "removed" in path.name] == []
        run("git", "checkout", "-q", first.commit, "--", "photos.dvc", cwd=repository)
        run(sys.executable, "-m", "dvc", "checkout", "-q", "--force", cwd=repository)
        run("git", "commit", "-qm", "Back", cwd=repository)
        assert tree(photos) == before, number
    assert is_complete
    assert number > 12


def test_killing_all_processes_at_a_random_time_loses_no_photo(repository: Path) -> None:
    """git and dvc are killed too, as in a power cut."""
    photos = make_photos(repository / "photos", per_class=4)
    (photos / "red" / "000.png").rename(photos / "red" / "a.png")
    first = versions.add(photos, None)
    before, rng = tree(photos), random.Random(11)
    environment = os.environ | {"PYTHONPATH": str(Path(versions.__file__).parents[1])}
    for _ in range(12):
        with subprocess.Popen(
            [sys.executable, "-c", RELABEL, DECISIONS], env=environment, start_new_session=True, stderr=subprocess.PIPE
        ) as change:
            time.sleep(rng.uniform(0.5, 8))
            if change.poll() is None:
                os.killpg(change.pid, 9)
        if tree(photos) == before or (repository / ".dvc" / "tmp" / "darkroom.json").exists():
            version = relabel(repository, "photos", {"red/a.png": "blue", "green/001.png": None})
            assert version.num_files == 11
        run("git", "checkout", "-q", first.commit, "--", "photos.dvc", cwd=repository)
        run(sys.executable, "-m", "dvc", "checkout", "-q", "--force", cwd=repository)
        run("git", "commit", "-qm", "Back", cwd=repository)
        assert tree(photos) == before
