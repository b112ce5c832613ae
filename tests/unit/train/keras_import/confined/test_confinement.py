"""A confined process cannot do more than it needs, whatever it tries."""

import sys
from pathlib import Path

import pytest

from components.contract.errors import UploadError
from components.train.keras_import.confined import confinement
from components.train.keras_import.confined.confinement import Confinement, run_confined
from components.train.keras_import.limits import GIB, MIB

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Landlock and seccomp exist only on Linux")

PROGRAM = """
import pathlib, sys
from components.contract.errors import UploadError
from components.train.keras_import.confined import confinement
before, statement = confinement.enter(sys.argv[1:])
exec(before)
def attempt():
    exec(statement, globals())
sys.exit(confinement.handle(pathlib.Path(sys.argv[1]), attempt))
"""


@pytest.fixture
def attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Returns a function that runs a statement in a confined process that may write only to `tmp_path/inside`."""
    (tmp_path / "inside").mkdir()
    (tmp_path / "program").mkdir()
    (tmp_path / "program" / "attempt.py").write_text(PROGRAM)
    ours = confinement._environment

    def environment(folder: Path) -> dict[str, str]:
        return ours(folder) | {"PYTHONPATH": f"{tmp_path / 'program'}:{ours(folder)['PYTHONPATH']}"}

    monkeypatch.setattr(confinement, "_environment", environment)

    def run(statement: str, before: str = "", **limits: int) -> None:
        usual = {"memory_bytes": GIB, "cpu_seconds": 20, "max_file_bytes": MIB, "timeout_seconds": 60}
        run_confined("attempt", [before, statement], Confinement(tmp_path / "inside", **usual | limits))

    return run


@pytest.mark.parametrize(
    "statement",
    [
        "import socket; socket.create_connection(('127.0.0.1', 9))",
        "import socket; socket.socket(socket.AF_UNIX)",
        "import socket; socket.socketpair()",
        "import os; os.fork()",
        "import subprocess; subprocess.run(['true'])",
        "import os; os.execv('/bin/true', ['true'])",
        "import os; os.kill(os.getppid(), 0)",
        "open('../outside.txt', 'w')",
        "open('/dev/shm/outside.txt', 'w')",
        "import os; os.mkdir('../outside')",
        "import os; os.symlink('/etc', '../link')",
        "import os; os.remove('../program/attempt.py')",
        "import os; os.rename('../program', 'program')",
        "import os; os.truncate('../program/attempt.py', 0)",
        "import os; os.chmod('../program/attempt.py', 0)",
        "bytearray(2 * 2**30)",
    ],
)
def test_forbidden_actions_are_denied(statement: str, attempt, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UploadError, match=r"PermissionError|OSError|exceeds the memory limit"):
        attempt(statement)
    after = [path for path in sorted(tmp_path.rglob("*")) if path.name not in ("output.log", "handling-started")]
    assert after == before
    assert (tmp_path / "program" / "attempt.py").read_text() == PROGRAM


@pytest.mark.parametrize(
    "statement",
    [
        "open('inside.txt', 'w').write('x')",
        "import os; os.mkdir('folder'); os.rmdir('folder')",
        "import threading; t = threading.Thread(target=print); t.start(); t.join()",
        "bytearray(100 * 2**20)",
        "open('/dev/null', 'w').write('x')",
    ],
)
def test_allowed_actions_work(statement: str, attempt) -> None:
    attempt(statement)


@pytest.mark.parametrize(
    ("statement", "limits", "reason"),
    [
        ("while True: pass", {"cpu_seconds": 1}, "more than 1 s of processor time"),
        ("import time; time.sleep(60)", {"timeout_seconds": 2}, "more than 2 s"),
        ("open('large', 'wb').write(bytes(2 * 2**20))", {}, "more than the file size limit"),
    ],
)
def test_a_process_that_exceeds_its_limits_is_stopped(
    statement: str, limits: dict[str, int], reason: str, attempt
) -> None:
    with pytest.raises(UploadError, match=reason):
        attempt(statement, **limits)


def test_the_callers_environment_is_not_passed_on(attempt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    attempt("import os; assert 'AWS_SECRET_ACCESS_KEY' not in os.environ")


FAILURES = (
    "1 / 0",
    "{}['layers']",
    "'\\ud800'.encode()",
    "b'\\xff'.decode()",
    "int('9' * 5000)",
    "assert False",
    "[][0]",
    "import json; json.loads('{')",
    "import zlib; zlib.decompress(b'x')",
    "import numpy; numpy.dtype('nonsense')",
    "import zipfile; zipfile.ZipFile('/dev/null')",
    "import no_such_codec",
    "raise StopIteration",
    "raise Exception('\\ud800\\x1b[2J\\r\\n\\0' * 200)",
    "f = lambda: f(); f()",
    "x = bytearray(2**40)",
    "raise OSError(27, 'x')",
    "import signal; signal.raise_signal(signal.SIGSEGV)",
    "import os; os.abort()",
    "import ctypes; ctypes.string_at(0)",
    "import signal; signal.raise_signal(signal.SIGBUS)",
    "import signal; signal.raise_signal(signal.SIGTERM)",
    "import signal; signal.raise_signal(signal.SIGSYS)",
    "import signal; signal.raise_signal(40)",
    "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_DFL); open('large', 'wb').write(bytes(2 * 2**20))",
    "import os; os._exit(1)",
    "import os; os._exit(3)",
    "import os; os._exit(120)",
    "import sys; sys.exit(1)",
    "import sys; sys.exit('text')",
    "raise KeyboardInterrupt",
    "import os; os.close(1); os.close(2); 1 / 0",
)


BEGINNINGS = (
    "The uploaded model cannot be read: ",
    "Reading the uploaded model exceeds the memory limit. ",
    "Checking the uploaded model needs more than ",
)


@pytest.mark.parametrize("statement", FAILURES)
def test_any_failure_while_an_upload_is_handled_rejects_it_with_a_reason(statement: str, attempt) -> None:
    with pytest.raises(UploadError) as refusal:
        attempt(statement, max_file_bytes=MIB)
    reason = str(refusal.value)
    assert reason.startswith(BEGINNINGS)
    assert reason.isprintable()
    assert len(reason) < 1000
    assert reason.endswith(".")


@pytest.mark.parametrize("statement", ["1 / 0", "import no_such_library", "import os; os.abort()"])
def test_a_bug_before_the_upload_is_handled_does_not_reject_it(statement: str, attempt) -> None:
    with pytest.raises(RuntimeError, match="A confined program ended with"):
        attempt("pass", before=statement)


def test_a_confined_program_imports_nothing_from_the_working_folder(
    attempt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (tmp_path, tmp_path / "inside"):
        (folder / "random.py").write_text("raise SystemExit('a module from the working folder was imported')")
        (folder / "components.py").write_text("raise SystemExit('a module from the working folder was imported')")
    monkeypatch.chdir(tmp_path)
    attempt("import random; random.random()")
