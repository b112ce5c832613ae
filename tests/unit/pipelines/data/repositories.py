"""A git and DVC repository for tests, and functions that run commands in it."""

import subprocess
import sys
from pathlib import Path

import pytest


def run(*command: str, cwd: Path) -> str:
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout


def dvc(*arguments: str, cwd: Path) -> str:
    return run(sys.executable, "-m", "dvc", *arguments, cwd=cwd)


@pytest.fixture(scope="module")
def _empty_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("empty") / "repository"
    root.mkdir()
    run("git", "init", "--quiet", "--initial-branch", "main", cwd=root)
    run("git", "config", "user.email", "a@example.org", cwd=root)
    run("git", "config", "user.name", "A", cwd=root)
    dvc("init", "--quiet", cwd=root)
    dvc("config", "core.analytics", "false", cwd=root)
    run("git", "add", ".", cwd=root)
    run("git", "commit", "--quiet", "-m", "Start", cwd=root)
    return root


@pytest.fixture
def repository(_empty_repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "repository"
    run("cp", "-r", str(_empty_repository), str(root), cwd=tmp_path)
    monkeypatch.chdir(root)
    return root
