"""The command in real environments: closed pipes, full disks, old terminals, no home folder, Windows."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from components.contract.system.program import StandardStream
from tests.support.artifacts import make_photos

RUN_ID = "20260101-000000-abcd"
COMMAND = (sys.executable, "-m", "pipelines.cli.main")
VERBS = (["--help"], ["runs"], ["audit", "photos"], ["runs", "--json"], ["audit", "photos", "--json"])
SAMPLED = [pytest.param(verb, marks=pytest.mark.proof if "--json" in verb else ()) for verb in VERBS]
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
LATIN_1 = {"PYTHONIOENCODING": "latin-1"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder with photos and a failed run."""
    path = tmp_path_factory.mktemp("work")
    make_photos(path / "photos", per_class=4)
    (path / "runs" / RUN_ID).mkdir(parents=True)
    state = {
        "run_id": RUN_ID,
        "status": "failed",
        "started": "2026-01-01T00:00:00",
        "data": "/home/me/photos of cats",
        "error": "2 × 2 …",
    }
    (path / "runs" / RUN_ID / "run.json").write_text(json.dumps(state))
    return path


def darkroom(*arguments: str, cwd: Path, **environment: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [*COMMAND, *arguments], cwd=cwd, env=os.environ | environment, capture_output=True, check=False
    )


@pytest.mark.parametrize("arguments", SAMPLED, ids=" ".join)
def test_a_closed_pipe_is_not_an_error(arguments: list[str], folder: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run([*COMMAND, *arguments], cwd=folder, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert result.returncode == 0
    assert b"Traceback" not in result.stderr
    assert b"Broken" not in result.stderr


@pytest.mark.parametrize("arguments", SAMPLED[:-1], ids=" ".join)
def test_a_full_disk_is_reported_in_one_line(arguments: list[str], folder: Path) -> None:
    with Path("/dev/full").open("w") as full:
        result = subprocess.run([*COMMAND, *arguments], cwd=folder, stdout=full, stderr=subprocess.PIPE, check=False)
    assert result.returncode == 2
    assert result.stderr.count(b"\n") == 1
    assert b"Standard output cannot be written: No space left on device." in result.stderr


def test_a_closed_output_is_not_an_error(folder: Path) -> None:
    command = shlex.join([*COMMAND, "runs"])
    result = subprocess.run(["sh", "-c", f"{command} >&-"], cwd=folder, capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (0, b"")


@pytest.mark.parametrize("environment", [ASCII, LATIN_1], ids=["ASCII", "Latin-1"])
@pytest.mark.parametrize("arguments", SAMPLED[1:], ids=" ".join)
def test_a_terminal_without_unicode_shows_ascii(
    arguments: list[str], environment: dict[str, str], folder: Path
) -> None:
    result = darkroom(*arguments, cwd=folder, **environment)
    assert result.returncode == 0, result.stderr
    assert b"UnicodeEncodeError" not in result.stderr
    text = result.stdout.decode("ascii" if environment is ASCII else "latin-1")
    if arguments == ["runs"]:
        assert f"{RUN_ID} failed: 2 {'x' if environment is ASCII else '×'} 2 ..." in text
    if "--json" in arguments:
        assert json.loads(text)


@pytest.mark.parametrize(
    "columns", ["20", pytest.param("40", marks=pytest.mark.proof), pytest.param("80", marks=pytest.mark.proof), "200"]
)
def test_a_run_id_is_never_wrapped(columns: str, folder: Path) -> None:
    result = darkroom("runs", cwd=folder, COLUMNS=columns, TERM="dumb", NO_COLOR="1")
    lines = result.stdout.decode().splitlines()
    assert any(line.strip(" │").startswith(RUN_ID) for line in lines)
    assert b"\x1b" not in result.stdout


def as_nobody(*arguments: str, cwd: Path, cache: Path) -> "subprocess.CompletedProcess[str]":
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("switching to another user needs root and setpriv")
    bare = ["env", "-u", "HOME", "-u", "USER", "-u", "LOGNAME", "PYTHONDONTWRITEBYTECODE=1", f"DARKROOM_CACHE={cache}"]
    # With this capability, the other user can read the interpreter, even in root's home, but not write root's files.
    capability = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    user = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", *capability]
    return subprocess.run([*bare, *user, *COMMAND, *arguments], cwd=cwd, capture_output=True, text=True, check=False)


def test_a_command_works_for_a_user_without_a_name_or_home_folder(folder: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    photos = str(folder / "photos")
    result = as_nobody("audit", photos, "--output", "audit", cwd=tmp_path, cache=tmp_path / "cache")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "audit" / "audit.html").stat().st_uid == 12345


@pytest.mark.parametrize(
    ("verb", "message"),
    [
        ("run", "cannot be written: "),
        ("audit", "cannot be written: "),
        ("compile", "build/training.yaml cannot be written: "),
        ("ui", "cannot be written"),
    ],
)
def test_an_unwritable_folder_is_reported(verb: str, message: str, folder: Path, tmp_path: Path) -> None:
    data = {"run": ["--data"], "compile": ["--data"], "audit": [], "ui": None}[verb]
    arguments = [] if data is None else [*data, str(folder / "photos")]
    tmp_path.chmod(0o755)
    result = as_nobody(verb, *arguments, cwd=tmp_path, cache=tmp_path / "cache")
    assert result.returncode == 2, result.stderr
    assert message in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "module", ["pipelines.cli.main", "components.train", "components.preprocess", "components.deploy"]
)
def test_windows_is_reported_without_a_traceback(module: str, tmp_path: Path) -> None:
    program = (
        "import runpy, sys; sys.modules['fcntl'] = None; sys.argv = ['darkroom', 'runs']; "
        f"runpy.run_module({module!r}, run_name='__main__')"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("darkroom: Darkroom needs Linux, macOS, or Windows with WSL2")
    assert result.stderr.count("\n") == 1


def test_a_stream_drops_output_after_a_failure() -> None:
    with Path("/dev/full").open("wb") as full:
        stream = StandardStream(full.fileno(), "w", closefd=False)
        assert (stream.write(b"one"), stream.write(b"two")) == (3, 3)
        assert stream.failure is not None
