"""The project in folders with unusual names, and on machines without a suitable Python.

tests/e2e/pipeline/test_run.py runs the whole pipeline in such a folder.
"""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.runners.task_process import quote_python
from tests.support.source_tree import ROOT

NAMES = ("my project", "[1]", "it's", 'a "quote"', "$HOME", "100%41", "#1", "what?", "Büro", "python3", "a;b & c")
BAD_PYTHON = '#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.1\nexit 1\n'


@pytest.mark.parametrize("name", NAMES)
def test_a_kfp_task_runs_in_a_folder_with_any_name(name: str, tmp_path: Path) -> None:
    from kfp.local.subprocess_task_handler import run_local_subprocess

    (tmp_path / name).mkdir()
    (tmp_path / name / "env").symlink_to(sys.prefix)
    script = 'program="$(mktemp)"\nprintf "%s" "$0" > "$program"\npython3 "$program" "$@" > "$1/out"\n'
    program = "import sys; print(sys.executable); print(sys.argv[2])"
    command = ["sh", "-ec", script, program, str(tmp_path), f"/data/{name}/python3/photos"]
    interpreter = str(tmp_path / name / "env" / "bin" / "python")
    assert run_local_subprocess(quote_python(command, interpreter)) == 0
    assert (tmp_path / "out").read_text().splitlines() == [interpreter, f"/data/{name}/python3/photos"]


@pytest.mark.parametrize(
    "name", ["it's [1] 100%41 $HOME #1 what?", *(pytest.param(name, marks=pytest.mark.proof) for name in NAMES)]
)
def test_the_mlflow_store_works_in_a_folder_with_any_name(name: str, empty_store: Path, tmp_path: Path) -> None:
    store = tmp_path / name / ".darkroom" / "mlflow" / "mlflow.db"
    store.parent.mkdir(parents=True)
    shutil.copy(empty_store, store)
    program = (
        "import os; from components.contract.tracking.run import create_run; "
        "from components.contract.tracking.store_address import tracking_uri; "
        "os.environ['MLFLOW_TRACKING_URI'] = tracking_uri(); print(create_run(experiment='photos', name='one').run_id)"
    )
    command = [sys.executable, "-P", "-c", program]
    result = subprocess.run(command, cwd=tmp_path / name, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    with contextlib.closing(sqlite3.connect(store)) as database:
        assert database.execute("SELECT run_uuid FROM runs").fetchall() == [(result.stdout.strip(),)]
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder for PATH that contains only basic tools and an outdated Python, so that nothing is really installed."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in ("sh", "rm", "mkdir", "touch", "chmod"):
        (folder / tool).symlink_to(str(shutil.which(tool)))
    write(folder / "python3", BAD_PYTHON)
    return folder


def write(path: Path, script: str) -> None:
    path.write_text(script)
    path.chmod(0o755)


def environment_script(programs: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = ["sh", "requirements/environment.sh", str(programs.parent / "env"), *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | {"PATH": str(programs)}, capture_output=True, text=True, check=False
    )


def test_without_a_suitable_python_or_uv_the_message_lists_what_to_install(programs: Path) -> None:
    result = environment_script(programs)
    assert result.returncode == 2
    assert "Python 3.11, 3.12 or 3.13 with its venv module is needed, or uv to fetch one" in result.stderr


def test_an_unsuitable_python_is_reported_with_its_version(programs: Path) -> None:
    result = environment_script(programs, "python3")
    assert result.returncode == 2
    assert "PYTHON=python3 is Python 3.9.1. Name another: make PYTHON=" in result.stderr


def test_uv_fetches_a_python_if_none_is_suitable(programs: Path) -> None:
    """A program that records its arguments replaces uv, because downloads need a network."""
    log = programs.parent / "log"
    write(programs / "uv", f'#!/bin/sh\necho "$@" >> {log}\n')
    result = environment_script(programs)
    assert result.returncode == 0, result.stderr
    assert "uv looks for Python 3.12, or fetches it" in result.stdout
    venv, packages, project = log.read_text().splitlines()
    assert venv == f"venv --quiet --clear --seed --python 3.12 {programs.parent / 'env'}"
    assert "--require-hashes" in packages
    assert project.endswith("--editable .")


def test_a_failed_download_is_reported_with_advice(programs: Path) -> None:
    write(programs / "uv", "#!/bin/sh\necho 'error: no network' >&2\nexit 1\n")
    result = environment_script(programs)
    assert result.returncode == 2
    assert "error: no network" in result.stderr
    assert "uv could not fetch one" in result.stderr


def test_make_works_in_a_folder_with_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "it's [1] $HOME 100% #1 Büro"
    folder.mkdir()
    shutil.copy(ROOT / "Makefile", folder)
    (folder / "pyproject.toml").touch()
    (folder / "requirements").mkdir()
    (folder / "requirements" / "laptop.txt").touch()
    (folder / ".venv" / "bin").mkdir(parents=True)
    write(folder / ".venv" / "bin" / "python", '#!/bin/sh\necho "$PWD"; echo "$PATH"; echo "$@"\n')
    (folder / ".venv" / ".ready").touch()
    # If `make test` runs this test, an inner make that inherits its variables would print the folder's name.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", "ui"]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    where, path, arguments = result.stdout.splitlines()
    assert where == str(folder)
    assert path.startswith(f"{folder}/.venv/bin:")
    assert arguments == "-P -m pipelines.cli.main ui"
