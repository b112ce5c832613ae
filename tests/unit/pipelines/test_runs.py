"""The folders of runs: their state, which is the latest, and what cleaning takes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from components.contract.errors import ArtifactError
from pipelines import runs


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def make_run(*, status: str = "finished", number: int = 1) -> runs.RunFolder:
    """A run that has ended, of a name of its own."""
    with runs.start_run(f"photos{number}") as made:
        name = made.path.with_name(f"20260101-00000{number}-aaaa")
        made.path.rename(name)
    folder = runs.RunFolder(name)
    folder.update(run_id=name.name, status=status)
    if status == "finished":
        runs.finish(folder, {"run_id": name.name})
    return folder


def test_a_run_is_alive_while_its_process_is() -> None:
    with runs.start_run("photos") as folder:
        assert folder.is_alive
        assert folder.state.status == "running"
        assert runs.mark_killed_runs() == []
    assert not folder.is_alive
    assert [killed.path for killed in runs.mark_killed_runs()] == [folder.path]
    assert folder.state.status == "killed"


def test_a_killed_process_leaves_a_run_that_is_known_as_killed() -> None:
    program = (
        "import os, signal\nfrom pipelines import runs\n"
        "with runs.start_run('photos'):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    root = str(Path(runs.__file__).parents[1])
    subprocess.run([sys.executable, "-c", program], env=os.environ | {"PYTHONPATH": root}, check=False)
    assert [folder.state.status for folder in runs.list_runs()] == ["running"]
    runs.mark_killed_runs()
    assert [folder.state.status for folder in runs.list_runs()] == ["killed"]
    assert signal.SIGKILL


def test_latest_is_the_run_that_finished_last() -> None:
    make_run(number=1)
    second = make_run(number=2)
    make_run(number=3, status="failed")
    assert runs.find_run().path == second.path.resolve()
    assert runs.find_run("20260101-000001-aaaa").path.name == "20260101-000001-aaaa"


def test_an_unknown_run_is_refused_with_those_that_are_known() -> None:
    make_run(number=1)
    with pytest.raises(ArtifactError, match="finished are 20260101-000001-aaaa"):
        runs.find_run("absent")


def test_cleaning_keeps_the_newest_the_latest_and_the_living() -> None:
    for number in range(1, 5):
        make_run(number=number)
    failed = make_run(number=5, status="failed")
    latest = runs.RUNS_DIR / "latest"
    latest.unlink()
    latest.symlink_to("20260101-000001-aaaa")
    with runs.start_run("photos") as alive:
        removals = runs.plan_cleaning(keep=2, cache_dir=None)
        assert {Path(removal.path).name for removal in removals} == {failed.path.name, "20260101-000002-aaaa"}
        assert all(removal.num_bytes > 0 for removal in removals)
        runs.remove(removals)
        assert alive.path.is_dir()
    assert {path.name for path in runs.RUNS_DIR.iterdir()} == {
        "latest", "20260101-000001-aaaa", "20260101-000003-aaaa", "20260101-000004-aaaa", alive.path.name
    }  # fmt: skip


def test_a_folder_that_is_no_run_is_never_touched() -> None:
    (runs.RUNS_DIR / "notes").mkdir(parents=True)
    make_run(number=1)
    runs.remove(runs.plan_cleaning(keep=0, cache_dir=None))
    assert (runs.RUNS_DIR / "notes").is_dir()
    assert runs.find_run().path.name == "20260101-000001-aaaa"


def test_runs_cannot_start_where_nothing_can_be_written() -> None:
    Path("runs").touch()
    with pytest.raises(ArtifactError, match="must be writable"), runs.start_run("photos"):
        pass
