"""Run folders: the states of runs, which run is the latest, and which runs are cleaned up."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components.contract.errors import ArtifactError
from pipelines.runners import runs
from tests.support.kill_points import killed


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def make_run(*, status: str = "finished", number: int = 1) -> runs.RunFolder:
    """Creates a run whose process has ended; `number` makes its name unique."""
    with runs.start_run(f"photos{number}") as new_run:
        name = new_run.path.with_name(f"20260101-00000{number}-aaaa")
        new_run.path.rename(name)
    folder = runs.RunFolder(name)
    folder.update(run_id=name.name, status=status)
    if status == "finished":
        runs.finish(folder, {"run_id": name.name})
    return folder


def test_a_run_is_alive_while_its_process_runs() -> None:
    with runs.start_run("photos") as folder:
        assert folder.is_alive
        assert folder.state.status == "running"
        assert runs.mark_killed_runs() == []
    assert not folder.is_alive
    assert [killed_run.path for killed_run in runs.mark_killed_runs()] == [folder.path]
    assert folder.state.status == "killed"


def test_the_run_of_a_killed_process_is_marked_as_killed() -> None:
    program = (
        "import os, signal\nfrom pipelines.runners import runs\n"
        "with runs.start_run('photos'):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    root = str(Path(runs.__file__).parents[2])
    subprocess.run([sys.executable, "-c", program], env=os.environ | {"PYTHONPATH": root}, check=False)
    assert [folder.state.status for folder in runs.list_runs()] == ["running"]
    runs.mark_killed_runs()
    assert [folder.state.status for folder in runs.list_runs()] == ["killed"]


def test_a_run_that_finishes_during_the_check_is_neither_marked_as_killed_nor_removed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = make_run(status="running")

    def finish_now(lock_path: Path) -> bool:
        runs.RunFolder(lock_path.parent).update(status="finished")
        return False

    monkeypatch.setattr(runs, "is_held", finish_now)
    assert runs.mark_killed_runs() == []
    folder.update(status="running")
    assert runs.plan_cleaning(keep=1, cache_dir=None) == []


def test_the_latest_run_is_the_last_one_that_finished() -> None:
    make_run(number=1)
    second = make_run(number=2)
    make_run(number=3, status="failed")
    assert runs.find_run().path == second.path.resolve()
    assert runs.find_run("20260101-000001-aaaa").path.name == "20260101-000001-aaaa"


def test_an_unknown_run_is_rejected_with_a_list_of_finished_runs() -> None:
    make_run(number=1)
    with pytest.raises(ArtifactError, match="finished runs: 20260101-000001-aaaa"):
        runs.find_run("absent")


def test_cleaning_removes_what_killed_processes_left_behind() -> None:
    finished_run = make_run(number=1)
    long_ago = time.time() - 3600
    half_removed_dir = runs.RUNS_DIR / ".20250101-000000-aaaa.removed-99"
    shutil.copytree(finished_run.path, half_removed_dir)
    latest_link = runs.RUNS_DIR / ".latest-0123"
    latest_link.symlink_to("absent")
    stateless_dir = runs.RUNS_DIR / "20250101-000000-bbbb"
    stateless_dir.mkdir()
    starting_dir = runs.RUNS_DIR / "20250101-000000-cccc"
    starting_dir.mkdir()
    cache = Path("cache")
    (Path(".cache.removed-99") / "pixels").mkdir(parents=True)
    for path in (half_removed_dir, latest_link, stateless_dir):
        os.utime(path, (long_ago, long_ago), follow_symlinks=False)
    assert [folder.path for folder in runs.list_runs()] == [finished_run.path]
    runs.remove(runs.plan_cleaning(keep=1, cache_dir=cache))
    assert sorted(path.name for path in runs.RUNS_DIR.iterdir()) == sorted(
        [finished_run.path.name, "latest", starting_dir.name]
    )
    assert sorted(path.name for path in Path().iterdir()) == ["runs"]


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_killed_cleanup_is_completed_by_the_next_one(number: int, tmp_path: Path) -> None:
    for run_number in (1, 2, 3):
        make_run(number=run_number)
    program = "from pipelines.runners import runs; runs.remove(runs.plan_cleaning(keep=1, cache_dir=None))"
    assert killed(program, at=("os.rename", "os.remove"), number=number)
    for path in runs.RUNS_DIR.glob(".*"):
        os.utime(path, (0, 0))
    assert len(runs.list_runs()) >= 1
    runs.remove(runs.plan_cleaning(keep=1, cache_dir=None))
    assert sorted(path.name for path in runs.RUNS_DIR.iterdir()) == ["20260101-000003-aaaa", "latest"]
    assert runs.find_run().path.name == "20260101-000003-aaaa"


@pytest.mark.parametrize("number", range(1, 7))
def test_the_latest_run_can_be_found_after_a_kill_at_any_point(number: int) -> None:
    make_run(number=1)
    second = make_run(number=2, status="running")
    program = (
        "import pathlib\nfrom pipelines.runners import runs\n"
        f"runs.finish(runs.RunFolder(pathlib.Path('{second.path}')), {{'run_id': 'x'}})\n"
    )
    killed(program, at=("os.rename", "os.symlink", "os.chmod"), number=number)
    assert runs.find_run().path.name in ("20260101-000001-aaaa", second.path.name)
    runs.mark_killed_runs()
    for path in runs.RUNS_DIR.glob(".*"):
        os.utime(path, (0, 0), follow_symlinks=False)
    runs.remove(runs.plan_cleaning(keep=3, cache_dir=None))
    assert {path.name for path in runs.RUNS_DIR.iterdir()} <= {"20260101-000001-aaaa", second.path.name, "latest"}


def test_cleaning_keeps_the_newest_and_the_running_runs_and_the_target_of_latest() -> None:
    for number in range(1, 5):
        make_run(number=number)
    failed_run = make_run(number=5, status="failed")
    latest = runs.RUNS_DIR / "latest"
    latest.unlink()
    latest.symlink_to("20260101-000001-aaaa")
    with runs.start_run("photos") as live_run:
        removals = runs.plan_cleaning(keep=2, cache_dir=None)
        assert {Path(removal.path).name for removal in removals} == {failed_run.path.name, "20260101-000002-aaaa"}
        assert all(removal.num_bytes > 0 for removal in removals)
        runs.remove(removals)
        assert live_run.path.is_dir()
    assert {path.name for path in runs.RUNS_DIR.iterdir()} == {
        "latest",
        "20260101-000001-aaaa",
        "20260101-000003-aaaa",
        "20260101-000004-aaaa",
        live_run.path.name,
    }


def test_a_folder_that_is_not_a_run_is_never_touched() -> None:
    (runs.RUNS_DIR / "notes").mkdir(parents=True)
    make_run(number=1)
    runs.remove(runs.plan_cleaning(keep=0, cache_dir=None))
    assert (runs.RUNS_DIR / "notes").is_dir()
    assert runs.find_run().path.name == "20260101-000001-aaaa"


def test_runs_cannot_start_in_an_unwritable_folder() -> None:
    Path("runs").touch()
    with pytest.raises(ArtifactError, match="cannot be written to"), runs.start_run("photos"):
        pass
