"""The DVC hash and git revision of the data, read from real repositories."""

import subprocess
import sys
from pathlib import Path

import pytest

from components.preprocess.sources.provenance import dvc_hash, find_origin, git_revision
from tests.support.artifacts import make_photos


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git and DVC repository; some of its photos are added by `dvc add`, others are created by a stage."""
    folder = tmp_path_factory.mktemp("repository")

    def dvc(*arguments: str) -> None:
        subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=folder, check=True, capture_output=True)

    git(folder, "init", "--quiet")
    dvc("init")
    dvc("config", "core.analytics", "false")
    make_photos(folder / "data" / "added", per_class=2)
    dvc("add", "data/added")
    (folder / "dvc.yaml").write_text(
        "stages:\n  make:\n    cmd: mkdir -p data/made && cp -r data/added/red data/made\n    outs: [data/made]\n"
    )
    dvc("repro")
    make_photos(folder / "loose", per_class=1)
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "photos")
    return folder


def test_the_hash_of_added_data_is_found(repository: Path) -> None:
    pointer = (repository / "data" / "added.dvc").read_text()
    md5 = dvc_hash(repository / "data" / "added")
    assert md5 is not None
    assert md5.endswith(".dir")
    assert f"md5: {md5}" in pointer
    assert dvc_hash(repository / "data" / "added" / "red") == md5


def test_the_hash_of_data_created_by_a_stage_is_found(repository: Path) -> None:
    md5 = dvc_hash(repository / "data" / "made")
    assert md5 is not None
    assert f"md5: {md5}" in (repository / "dvc.lock").read_text()


def test_data_that_dvc_does_not_track_has_no_hash(repository: Path, tmp_path: Path) -> None:
    assert dvc_hash(repository / "loose") is None
    assert dvc_hash(tmp_path) is None


@pytest.mark.parametrize("content", ["", "[]", "outs: [", "outs:\n- md5: a\n  path: other", "outs:\n- path: photos"])
def test_an_invalid_or_unrelated_dvc_file_is_ignored(content: str, tmp_path: Path) -> None:
    (tmp_path / "photos.dvc").write_text(content)
    assert dvc_hash(tmp_path / "photos") is None


def test_the_revision_is_the_commit_and_shows_uncommitted_changes(repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    assert git_revision(repository / "data" / "added") == commit
    pointer = repository / "data" / "added.dvc"
    content = pointer.read_text()
    pointer.write_text(content + "# changed\n")
    try:
        assert git_revision(repository / "data" / "added") == f"{commit}-dirty"
    finally:
        pointer.write_text(content)
    (repository / "untracked").write_text("not in git")
    source = find_origin(str(repository / "data" / "added"))
    assert source.git_revision == commit
    assert source.dvc == dvc_hash(repository / "data" / "added")
    assert source.uri == str(repository / "data" / "added")


def test_there_is_no_revision_without_a_repository_or_a_commit(tmp_path: Path) -> None:
    assert git_revision(tmp_path) is None
    git(tmp_path, "init", "--quiet")
    assert git_revision(tmp_path) is None


def test_if_git_is_not_installed_the_commit_is_known_but_not_whether_files_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "notes.txt").write_text("first")
    git(tmp_path, "add", "notes.txt")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    commit = git(tmp_path, "rev-parse", "HEAD")
    (tmp_path / "notes.txt").write_text("second")
    assert git_revision(tmp_path) == f"{commit}-dirty"
    monkeypatch.setenv("PATH", "")
    assert git_revision(tmp_path) == commit
