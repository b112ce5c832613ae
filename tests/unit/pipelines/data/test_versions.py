"""Versions of data in a real git and DVC repository."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from components.contract.errors import DataError
from pipelines.data import versions
from pipelines.data.diff import compare_versions
from pipelines.data.repository import find_repository
from tests.support.artifacts import CLASS_NAMES, make_photos
from tests.unit.pipelines.data.repositories import dvc, run
from tests.unit.preprocess.dataset_files import tree


def test_data_outside_the_repository_is_copied_and_left_unchanged(repository: Path, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", per_class=4)
    before = tree(photos)
    version = versions.add(photos, "colors")
    assert (version.path, version.num_files) == ("data/colors", 12)
    assert tree(photos) == before == tree(repository / "data" / "colors")
    assert run("git", "status", "--porcelain", cwd=repository) == ""
    with pytest.raises(DataError, match=r"already exists\. Choose another name with --name"):
        versions.add(photos, "colors")


def test_data_within_the_repository_stays_in_place(repository: Path) -> None:
    photos = make_photos(repository / "mine" / "photos", per_class=4)
    before = tree(photos)
    (repository / "notes.txt").write_text("not to be committed")
    run("git", "add", "notes.txt", cwd=repository)
    first = versions.add(photos, None)
    assert tree(photos) == before
    assert run("git", "show", "--name-only", "--format=", cwd=repository).split() == [
        "mine/.gitignore",
        "mine/photos.dvc",
    ]
    assert versions.add(photos, None) == first, "unchanged data must not become a new version"
    (photos / "red" / "000.png").unlink()
    second = versions.add(photos, None)
    assert second.hash != first.hash
    assert [(version.commit, version.num_files) for version in versions.list_versions()] == [
        (second.commit, 11),
        (first.commit, 12),
    ]


def test_the_difference_lists_added_removed_relabeled_and_moved_photos(repository: Path) -> None:
    photos = make_photos(repository / "data" / "photos", per_class=4)
    first = versions.add(photos, None)
    (photos / "red" / "000.png").unlink()
    (photos / "red" / "001.png").rename(photos / "blue" / "001-red.png")
    (photos / "green" / "002.png").rename(photos / "green" / "renamed.png")
    make_photos(repository / "more", per_class=1, seed=9)
    (repository / "more" / "blue" / "000.png").rename(photos / "blue" / "new.png")
    second = versions.add(photos, None)
    (photos / "blue" / "new.png").unlink()
    changes = compare_versions(repository, "data/photos", first.commit, second.commit)
    assert changes.added == ["blue/new.png"]
    assert changes.removed == ["red/000.png"]
    assert changes.relabeled == [("blue/001-red.png", "red", "blue")]
    assert changes.moved == [("green/002.png", "green/renamed.png")]
    assert changes.counts == {"blue": (4, 6), "green": (4, 4), "red": (4, 2)}
    now = compare_versions(repository, "data/photos", second.commit, "workspace")
    assert (now.added, now.removed) == ([], ["blue/new.png"])


def test_archives_can_be_versioned_and_compared_too(repository: Path, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "made", per_class=3)
    archive = repository / "photos.zip"
    commits = []
    for names in (CLASS_NAMES, CLASS_NAMES[:2]):
        with zipfile.ZipFile(archive, "w") as file:
            for path in sorted(path for name in names for path in (photos / name).iterdir()):
                file.write(path, Path("photos") / path.relative_to(photos))
        commits.append(versions.add(archive, None).commit)
    changes = compare_versions(repository, "photos.zip", *commits)
    assert changes.removed == [f"photos/red/00{number}.png" for number in range(3)]
    assert changes.counts["red"] == (3, 0)


def test_outside_a_repository_the_error_shows_how_to_create_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="git init && dvc init"):
        find_repository()


def test_the_data_command_adds_lists_relabels_and_compares_versions(repository: Path) -> None:
    make_photos(repository / "photos", per_class=2)

    def darkroom(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "pipelines.cli.main", "data", *arguments]
        environment = os.environ | {"PYTHONPATH": str(Path(versions.__file__).parents[2])}
        return subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, check=False)

    assert "There is no data under DVC here" in darkroom("list").stdout
    version = json.loads(darkroom("add", "photos", "--json").stdout)
    assert version["num_files"] == 6
    (repository / "decisions.csv").write_text("path,label\nred/000.png,\n")
    assert "data diff" in darkroom("relabel", "decisions.csv").stdout
    assert [version["subject"] for version in json.loads(darkroom("list", "--json").stdout)] == [
        "Relabel 1 photo in photos",
        "Add the data set photos",
    ]
    output = darkroom("diff", version["commit"]).stdout
    assert "1 removed" in output
    assert "red                             2 →        1  (-1)" in output
    refusal = darkroom("diff", "nowhere")
    assert (refusal.returncode, "must be under DVC at nowhere" in refusal.stderr) == (2, True)


def make_repository(folder: Path, *, author: bool = True) -> Path:
    """Creates a git repository without commits."""
    folder.mkdir(parents=True)
    run("git", "init", "--quiet", "--initial-branch", "main", cwd=folder)
    if author:
        run("git", "config", "user.email", "a@example.org", cwd=folder)
        run("git", "config", "user.name", "A", cwd=folder)
    return folder


def test_the_first_commit_of_a_repository_can_be_a_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_repository(tmp_path / "repository")
    dvc("init", "--quiet", cwd=root)
    monkeypatch.chdir(root)
    assert versions.list_versions() == []
    first = versions.add(make_photos(root / "Köln photos", per_class=2), None)
    (root / "Köln photos" / "red" / "000.png").unlink()
    second = versions.add(root / "Köln photos", None)
    assert [version.commit for version in versions.list_versions()] == [second.commit, first.commit]
    changes = compare_versions(root, "Köln photos", first.commit, second.commit)
    assert changes.removed == ["red/000.png"]


def test_dvc_may_be_in_a_subfolder_of_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    top = make_repository(tmp_path / "repository")
    (top / "vision").mkdir()
    dvc("init", "--quiet", "--subdir", cwd=top / "vision")
    (top / "notes.txt").write_text("not to be committed")
    monkeypatch.chdir(top / "vision")
    first = versions.add(make_photos(tmp_path / "photos", per_class=2), "colors")
    assert first.path == "data/colors"
    (top / "vision" / "data").mkdir(exist_ok=True)
    monkeypatch.chdir(top / "vision" / "data")
    (top / "vision" / "data" / "colors" / "red" / "000.png").unlink()
    second = versions.add(Path("colors"), None)
    assert find_repository() == top / "vision"
    assert [version.num_files for version in versions.list_versions()] == [5, 6]
    assert compare_versions(top / "vision", "data/colors", first.commit, second.commit).removed == ["red/000.png"]
    assert run("git", "status", "--porcelain", cwd=top).split("\n")[0] == "?? notes.txt"


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        ("author", "which needs an author"),
        ("tracked", "git rm -r --cached --quiet data/pets"),
        ("ignored", r"but \.gitignore:1:data/ ignores it"),
        ("dvc", r"(?s)dvc add failed in .*:\n.*config"),
    ],
)
def test_data_that_cannot_become_a_version_leaves_nothing_behind(
    prepare: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    root = make_repository(tmp_path / "repository", author=prepare != "author")
    dvc("init", "--quiet", cwd=root)
    monkeypatch.chdir(root)
    if prepare == "ignored":
        (root / ".gitignore").write_text("data/\n")
    if prepare == "tracked":
        make_photos(root / "data" / "pets", per_class=2)
        run("git", "add", "data", cwd=root)
    if prepare == "dvc":
        (root / ".dvc" / "config").write_text("[core")
    run("git", "add", ".", cwd=root)
    source = root / "data" / "pets" if prepare == "tracked" else make_photos(tmp_path / "pets", per_class=2)
    before, status = tree(root), run("git", "status", "--porcelain", cwd=root)
    with pytest.raises(DataError, match=message):
        versions.add(source, None)
    after = {name: content for name, content in tree(root).items() if ".dvc/tmp" not in str(name)}
    assert {name: after[name] for name in after if ".git/" not in str(name)} == {
        name: before[name] for name in before if ".git/" not in str(name) and ".dvc/tmp" not in str(name)
    }
    assert run("git", "status", "--porcelain", cwd=root) == status


def test_a_rejected_commit_leaves_nothing_behind(repository: Path, tmp_path: Path) -> None:
    run("git", "config", "commit.gpgSign", "true", cwd=repository)
    run("git", "config", "gpg.program", "/bin/false", cwd=repository)
    photos = make_photos(tmp_path / "photos", per_class=2)
    with pytest.raises(DataError, match=r"(?s)git commit failed in .*\n  .*sign"):
        versions.add(photos, "colors")
    assert run("git", "status", "--porcelain", "--ignored", cwd=repository).split("\n")[0] in ("", "!! .dvc/cache/")
    assert not (repository / "data" / "colors").exists()
    assert not (repository / "data" / "colors.dvc").exists()
