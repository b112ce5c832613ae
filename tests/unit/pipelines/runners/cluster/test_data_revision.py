"""Before a run is submitted, the revision of data under DVC is resolved to a commit."""

import subprocess
from pathlib import Path

import pytest

from components.contract.errors import DataError
from pipelines.runners.cluster.data_revision import resolve_revision


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "commit", "-q", "--allow-empty", "-m", "first")
    git(folder, "tag", "-a", "v1", "-m", "a tag with a message")
    return folder


@pytest.mark.parametrize("revision", ["main", "v1", "HEAD"])
def test_a_revision_becomes_a_commit(revision: str, repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    assert resolve_revision(f"dvc+{repository}@{revision}:photos") == f"dvc+{repository}@{commit}:photos"


def test_addresses_without_dvc_or_with_a_full_commit_are_left_unchanged() -> None:
    for uri in ("s3://bucket/photos", f"dvc+https://example.org/x.git@{'a' * 40}:photos"):
        assert resolve_revision(uri) == uri


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("dvc+{repository}@v9:photos", "The revision v9 must be a branch, a tag or a full commit"),
        ("dvc+{repository}/absent@main:photos", "must be readable with git"),
        ("dvc+{repository}:photos", "must look like dvc\\+<repository>@<revision>:<path>"),
    ],
)
def test_an_address_that_cannot_be_resolved_is_refused(uri: str, message: str, repository: Path) -> None:
    with pytest.raises(DataError, match=message):
        resolve_revision(uri.format(repository=repository))
