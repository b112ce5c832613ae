"""If a change to data is killed, the next change finishes or undoes it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from components.contract.errors import DataError
from pipelines.data import recovery, versions
from pipelines.data.recovery import Journal
from pipelines.data.relabel import relabel
from tests.support.artifacts import make_photos
from tests.support.kill_points import killed
from tests.unit.pipelines.data.repositories import run
from tests.unit.preprocess.dataset_files import tree

MOVING = """
import pathlib, sys
from pipelines.data import recovery
root = pathlib.Path(sys.argv[1])
with recovery.lock_changes(root), recovery.scratch_folder(root, "data") as scratch:
    (scratch / "new.csv").write_text("new")
    place = scratch.name
    moves = (("data/a/1", "data/b/1"), ("data/a/2", place + "/2"), ("data/t.csv", place + "/t.csv"),
             (place + "/new.csv", "data/t.csv"))
    journal = recovery.Journal(request="test", data="data", before="old", here="old", moves=moves)
    with recovery.apply_moves(root, journal):
        (root / "data.dvc").write_text("new")
"""


def make_data(root: Path) -> dict[str, bytes]:
    for name in ("data/a/1", "data/a/2", "data/b/3", "data/t.csv"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / ".dvc").mkdir()
    (root / "data.dvc").write_text("old")
    return {str(name): content for name, content in tree(root / "data").items()}


@pytest.mark.parametrize("number", range(1, 12))
def test_a_change_that_is_killed_at_any_step_is_undone_or_completed(number: int, tmp_path: Path) -> None:
    before = make_data(tmp_path)
    assert killed(MOVING, str(tmp_path), at=("os.rename", "shutil.rmtree", "os.remove", "open:new.csv"), number=number)
    journal = recovery.read_journal(tmp_path)
    if journal is None or not journal.moves:  # the change had not begun, or it was complete
        is_moved = (tmp_path / "data" / "b" / "1").exists()
        assert ((tmp_path / "data.dvc").read_text() == "new") == is_moved
        if journal is not None:
            assert is_moved
            recovery.conclude(tmp_path, journal)
    else:
        with pytest.raises(DataError, match="a change to it was interrupted"):
            recovery.require_whole(tmp_path / "data")
        undoing = (
            "import pathlib, sys; from pipelines.data import recovery; root = pathlib.Path(sys.argv[1]);"
            "recovery.undo(root, recovery.read_journal(root))"
        )
        killed(undoing, str(tmp_path), at=("os.rename",), number=2)
        if (journal := recovery.read_journal(tmp_path)) is not None:
            recovery.undo(tmp_path, journal)
        assert tree(tmp_path / "data") == before
        assert (tmp_path / "data.dvc").read_text() == "old"
    recovery.require_whole(tmp_path / "data")
    with recovery.lock_changes(tmp_path), recovery.scratch_folder(tmp_path, "data"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [".dvc", "data", "data.dvc"]


def test_a_file_that_blocks_an_undo_is_reported_and_nothing_is_lost(tmp_path: Path) -> None:
    make_data(tmp_path)
    (tmp_path / ".data.removed-x").mkdir()
    (tmp_path / "data/a/2").rename(tmp_path / ".data.removed-x/2")
    (tmp_path / "data/a/2").write_text("the user's")
    journal = Journal(request="", data="data", before="", here="old", moves=(("data/a/2", ".data.removed-x/2"),))
    with pytest.raises(DataError, match="cannot be moved back to"):
        recovery.undo(tmp_path, journal)
    assert (tmp_path / ".data.removed-x/2").read_text() == "data/a/2"
    assert (tmp_path / "data/a/2").read_text() == "the user's"


def test_a_damaged_journal_is_reported(tmp_path: Path) -> None:
    (tmp_path / ".dvc" / "tmp").mkdir(parents=True)
    (tmp_path / ".dvc" / "tmp" / "darkroom.json").write_text("{")
    with pytest.raises(DataError, match="The journal of an interrupted change"):
        recovery.read_journal(tmp_path)


RELABEL = """
import json, pathlib, sys
from pipelines.data.relabel import relabel
relabel(pathlib.Path.cwd(), "photos", json.loads(sys.argv[1]))
"""


def test_relabeling_that_is_killed_before_the_commit_can_be_repeated(repository: Path) -> None:
    photos = make_photos(repository / "photos", per_class=2)
    (photos / "red" / "000.png").rename(photos / "red" / "a.png")
    before = tree(photos)
    versions.add(photos, None)
    decisions = '{"red/a.png": "blue", "green/001.png": null}'
    assert killed(RELABEL, decisions, at=("subprocess.Popen:'commit'",), number=1)
    assert tree(photos) != before
    (repository / ".git" / "index.lock").touch()  # left by a killed git process
    version = relabel(repository, "photos", {"red/a.png": "blue", "green/001.png": None})
    assert (version.num_files, version.subject) == (5, "Relabel 2 photos in photos")
    assert len([version for version in versions.list_versions() if version.subject.startswith("Relabel")]) == 1
    assert run("git", "status", "--porcelain", cwd=repository) == ""
    assert sorted(path.name for path in repository.iterdir() if "removed" in path.name) == []


def test_a_killed_relabeling_is_not_part_of_the_next_version(repository: Path) -> None:
    folder = repository / "photos"
    make_photos(folder, per_class=2)
    first = versions.add(folder, None)
    before = tree(folder)
    assert killed(RELABEL, '{"red/000.png": null, "red/001.png": null}', at=("os.rename",), number=3)
    assert versions.add(folder, None).hash == first.hash
    assert tree(folder) == before


ADD = """
import pathlib, sys
from pipelines.data import versions
versions.add(pathlib.Path(sys.argv[1]), "copy")
"""


@pytest.mark.parametrize(("event", "number"), [("shutil.copyfile", 4), ("subprocess.Popen:'dvc'", 1)])
def test_adding_data_can_be_repeated_after_a_kill(event: str, number: int, repository: Path, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "outside", per_class=2)
    before = tree(photos)
    assert killed(ADD, str(photos), at=(event,), number=number)
    version = versions.add(photos, "copy")
    assert tree(photos) == before == tree(repository / "data" / "copy")
    assert version.num_files == 6
    assert sorted(path.name for path in (repository / "data").iterdir()) == [".gitignore", "copy", "copy.dvc"]
    assert run("git", "status", "--porcelain", cwd=repository) == ""


def test_an_unrelated_folder_is_not_treated_as_an_interrupted_copy(repository: Path, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "outside", per_class=2)
    make_photos(repository / "data" / "copy", per_class=2, seed=5)
    with pytest.raises(DataError, match=r"already exists\. Choose another name with --name"):
        versions.add(photos, "copy")


def test_the_next_change_waits_for_the_child_processes_of_a_killed_one(repository: Path) -> None:
    program = (
        "import pathlib, subprocess, sys, time\nfrom pipelines.data import recovery\n"
        "with recovery.lock_changes(pathlib.Path.cwd()):\n"
        "    subprocess.Popen(['sleep', '3'], close_fds=False, stdout=subprocess.DEVNULL)\n"
        "    print('started', flush=True); time.sleep(60)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(versions.__file__).parents[1])}
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment) as change:
        assert change.stdout is not None
        assert change.stdout.readline() == b"started\n"
        change.kill()
        assert change.wait() == -signal.SIGKILL
    waiting = (
        "import pathlib\nfrom pipelines.data import recovery\nwith recovery.lock_changes(pathlib.Path.cwd()): pass"
    )
    result = subprocess.run(
        [sys.executable, "-c", waiting], env=environment, capture_output=True, text=True, check=True
    )
    assert "Waiting until another change" in result.stderr


def test_relabeling_that_is_killed_after_the_commit_is_not_repeated(repository: Path) -> None:
    make_photos(repository / "photos", per_class=2)
    versions.add(repository / "photos", None)
    assert killed(RELABEL, '{"red/000.png": null}', at=("shutil.rmtree",), number=1)
    assert relabel(repository, "photos", {"red/000.png": None}).subject == "Relabel 1 photo in photos"
    assert [path.name for path in repository.iterdir() if "removed" in path.name] == []
