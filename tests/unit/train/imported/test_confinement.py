"""A confined process really cannot do what it need not, whatever it tries."""

import sys
from pathlib import Path

import pytest

from components.contract.errors import UploadError
from components.train.imported import confinement
from components.train.imported.confinement import Confinement, run_confined
from components.train.imported.limits import GIB, MIB

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Landlock and seccomp are Linux'")

PROGRAM = """
import sys
from components.train.imported import confinement
confinement.enter(sys.argv[1:])
try:
    exec(sys.argv[-1])
except (OSError, MemoryError) as error:
    sys.exit(confinement.refuse(f"denied: {type(error).__name__}"))
"""


@pytest.fixture
def attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs a statement in a confined process that may write to `tmp_path/inside`."""
    (tmp_path / "inside").mkdir()
    (tmp_path / "program").mkdir()
    (tmp_path / "program" / "attempt.py").write_text(PROGRAM)
    ours = confinement._environment

    def environment(folder: Path) -> dict[str, str]:
        return ours(folder) | {"PYTHONPATH": f"{tmp_path / 'program'}:{ours(folder)['PYTHONPATH']}"}

    monkeypatch.setattr(confinement, "_environment", environment)

    def run(statement: str, **limits: int) -> None:
        usual = {"memory_bytes": GIB, "cpu_seconds": 20, "max_file_bytes": MIB, "timeout_seconds": 60}
        run_confined("attempt", [statement], Confinement(tmp_path / "inside", **usual | limits))

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
def test_it_is_denied(statement: str, attempt, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UploadError, match=r"^denied: (PermissionError|MemoryError|OSError)$"):
        attempt(statement)
    assert [path for path in sorted(tmp_path.rglob("*")) if path.name != "output.log"] == before
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
def test_it_may_do_its_work(statement: str, attempt) -> None:
    attempt(statement)


@pytest.mark.parametrize(
    ("statement", "limits", "reason"),
    [
        ("while True: pass", {"cpu_seconds": 1}, "more than 1 s of processor time"),
        ("import time; time.sleep(60)", {"timeout_seconds": 2}, "more than 2 s"),
        ("open('large', 'wb').write(bytes(2 * 2**20))", {}, r"denied: OSError|GiB on disk"),
        ("import ctypes; ctypes.string_at(0)", {}, "made the process that read it crash"),
    ],
)
def test_what_exceeds_its_limits_is_ended(statement: str, limits: dict[str, int], reason: str, attempt) -> None:
    with pytest.raises(UploadError, match=reason):
        attempt(statement, **limits)


def test_nothing_of_the_callers_environment_is_handed_on(attempt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    attempt("import os; assert 'AWS_SECRET_ACCESS_KEY' not in os.environ")


def test_a_bug_of_ours_is_no_refusal(attempt) -> None:
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        attempt("1 / 0")
