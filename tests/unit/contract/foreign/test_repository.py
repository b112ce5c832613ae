"""Untrusted git repositories: real ones, configured to start a program that creates a marker file."""

import os
import subprocess
from pathlib import Path

import pytest

from components.contract.foreign.repository import git_revision


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "protocol.file.allow=always")
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def make_repository(folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet", "-b", "main")
    (folder / "photos").mkdir()
    (folder / "photos" / "a.txt").write_text("a\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "x")
    return git(folder, "rev-parse", "HEAD")


def plant(folder: Path, mark: Path) -> None:
    """Configures a program in every setting that `git status` may use, and makes git check every file again."""
    program = folder / "program"
    program.write_text(f"#!/bin/sh\ntouch '{mark}'\ncat\n")
    program.chmod(0o755)
    (folder / ".gitattributes").write_text("* filter=x diff=x\n")
    (folder / "included").write_text(f"[core]\n\tfsmonitor = {program}\n")
    hooks = folder / "hooks"
    hooks.mkdir()
    for hook in ("post-index-change", "fsmonitor-watchman", "pre-auto-gc"):
        (hooks / hook).write_text(program.read_text())
        (hooks / hook).chmod(0o755)
    with (folder / ".git" / "config").open("a") as config:
        config.write(
            f"[core]\n\tfsmonitor = {program}\n\thooksPath = {hooks}\n\tpager = {program}\n\tsshCommand = {program}\n"
            f"[include]\n\tpath = {folder}/included\n[diff]\n\texternal = {program}\n"
            f'[filter "x"]\n\tclean = {program}\n\tsmudge = {program}\n\tprocess = {program}\n\trequired = true\n'
            f'[diff "x"]\n\ttextconv = {program}\n\tcommand = {program}\n'
        )
    os.utime(folder / "photos" / "a.txt", (1, 1))


def test_no_program_configured_in_a_repository_runs(tmp_path: Path) -> None:
    commit, mark = make_repository(tmp_path / "foreign"), tmp_path / "ran"
    plant(tmp_path / "foreign", mark)
    assert git_revision(tmp_path / "foreign" / "photos") == commit
    (tmp_path / "foreign" / "photos" / "a.txt").write_text("changed\n")
    assert git_revision(tmp_path / "foreign" / "photos") == f"{commit}-dirty"
    assert not mark.exists()
    subprocess.run(["git", "-C", str(tmp_path / "foreign"), "status"], check=False, capture_output=True)
    assert mark.exists(), "a plain git status must run the program"


def test_no_program_configured_in_the_users_repository_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit, mark = make_repository(tmp_path / "own"), tmp_path / "ran"
    plant(tmp_path / "own", mark)
    monkeypatch.chdir(tmp_path / "own")
    assert git_revision(tmp_path / "own" / "photos") == commit
    assert not mark.exists()


def test_the_configuration_of_a_submodule_is_not_used(tmp_path: Path) -> None:
    make_repository(tmp_path / "inner")
    make_repository(tmp_path / "outer")
    git(tmp_path / "outer", "submodule", "--quiet", "add", str(tmp_path / "inner"), "sub")
    git(tmp_path / "outer", "commit", "--quiet", "-m", "sub")
    with (tmp_path / "outer" / ".git" / "modules" / "sub" / "config").open("a") as config:
        config.write(f"[core]\n\tfsmonitor = touch {tmp_path}/ran; false\n")
    assert git_revision(tmp_path / "outer" / "photos") == git(tmp_path / "outer", "rev-parse", "HEAD")
    inner = git(tmp_path / "inner", "rev-parse", "HEAD")
    assert git_revision(tmp_path / "outer" / "sub") == inner, "the commit must be that of the submodule"
    assert not (tmp_path / "ran").exists()


def test_a_linked_working_tree_and_packed_references_are_read(tmp_path: Path) -> None:
    commit = make_repository(tmp_path / "main")
    git(tmp_path / "main", "worktree", "add", "--quiet", "-b", "side/line", str(tmp_path / "tree"))
    git(tmp_path / "main", "pack-refs", "--all")
    assert git_revision(tmp_path / "tree" / "photos") == commit
    (tmp_path / "tree" / "photos" / "a.txt").write_text("changed\n")
    assert git_revision(tmp_path / "tree" / "photos") == f"{commit}-dirty"
    assert git_revision(tmp_path / "main" / "photos") == commit
    git(tmp_path / "main", "checkout", "--quiet", "--detach")
    assert git_revision(tmp_path / "main") == commit


def test_a_git_file_or_link_that_points_to_another_repository_is_not_followed(tmp_path: Path) -> None:
    make_repository(tmp_path / "private")
    data = tmp_path / "data"
    data.mkdir()
    for content in (f"gitdir: {tmp_path}/private/.git", "gitdir: ../private/.git", "gitdir: \0", "x" * 10_000, ""):
        (data / ".git").write_text(content)
        assert git_revision(data) is None
    (data / ".git").unlink()
    (data / ".git").symlink_to(tmp_path / "private" / ".git")
    assert git_revision(data) is None


@pytest.mark.parametrize(
    "head",
    ["ref: ../../../secret", "ref: refs/../../secret", "ref: /etc/hostname", "x" * 9000, "", "ref: refs/heads/link"],
)
def test_a_head_that_is_invalid_or_points_elsewhere_is_ignored(head: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("f" * 40)
    (tmp_path / "data" / ".git" / "refs" / "heads").mkdir(parents=True)
    (tmp_path / "data" / ".git" / "refs" / "heads" / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "data" / ".git" / "HEAD").write_text(head)
    assert git_revision(tmp_path / "data") is None


def test_a_pipe_in_place_of_a_file_does_not_block(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    os.mkfifo(tmp_path / ".git" / "HEAD")
    assert git_revision(tmp_path) is None


def test_git_settings_that_affect_how_files_are_compared_are_used(tmp_path: Path) -> None:
    commit = make_repository(tmp_path / "own")
    (tmp_path / "own" / "photos" / "a.txt").chmod(0o755)
    assert git_revision(tmp_path / "own") == f"{commit}-dirty"
    git(tmp_path / "own", "config", "core.fileMode", "false")
    assert git_revision(tmp_path / "own") == commit
