"""Schemathesis reads the OpenAPI document and searches for requests whose answers contradict it."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

CONFIG = Path(__file__).with_name("schemathesis.toml")


@pytest.mark.proof
@pytest.mark.skipif(find_spec("schemathesis") is None, reason="schemathesis is not in the locked environment")
def test_schemathesis_finds_no_failure(url: str, tmp_path: Path) -> None:
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "schemathesis.cli",
            "--config-file",
            CONFIG,
            "run",
            f"{url}/docs.json",
            "--url",
            url,
            "--max-examples",
            "100",
            "--seed",
            "1",
            "--no-color",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    assert "Tested: 9" in result.stdout, "every endpoint must be tested"
