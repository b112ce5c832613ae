"""Versions of data in a real git and DVC repository, with real remotes."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from components.contract.errors import DataError
from components.contract.params.pipeline import PreprocessParams
from components.preprocess.sources.probe import probe
from components.preprocess.sources.readers.table import find_separator, read_frame, read_rows
from components.preprocess.step import preprocess
from pipelines.data import versions
from pipelines.data.diff import difference
from pipelines.data.relabel import change_table, read_decisions, relabel
from pipelines.data.snapshot import find_label_table
from tests.support.artifacts import CLASS_NAMES, make_photos
from tests.unit.preprocess.test_step import tree


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


def test_data_from_elsewhere_are_copied_and_stay(repository: Path, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", per_class=4)
    before = tree(photos)
    version = versions.add(photos, "colours")
    assert (version.path, version.num_files) == ("data/colours", 12)
    assert tree(photos) == before == tree(repository / "data" / "colours")
    assert run("git", "status", "--porcelain", cwd=repository) == ""
    with pytest.raises(DataError, match="must be free"):
        versions.add(photos, "colours")


def test_data_within_the_repository_stay_in_place(repository: Path) -> None:
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
    assert versions.add(photos, None) == first, "nothing has changed, so there is no new version"
    (photos / "red" / "000.png").unlink()
    second = versions.add(photos, None)
    assert second.hash != first.hash
    assert [(one.commit, one.num_files) for one in versions.versions()] == [(second.commit, 11), (first.commit, 12)]


def test_the_difference_names_what_was_added_removed_relabelled_and_moved(repository: Path) -> None:
    photos = make_photos(repository / "data" / "photos", per_class=4)
    first = versions.add(photos, None)
    (photos / "red" / "000.png").unlink()
    (photos / "red" / "001.png").rename(photos / "blue" / "001-red.png")
    (photos / "green" / "002.png").rename(photos / "green" / "renamed.png")
    make_photos(repository / "more", per_class=1, seed=9)
    (repository / "more" / "blue" / "000.png").rename(photos / "blue" / "new.png")
    second = versions.add(photos, None)
    (photos / "blue" / "new.png").unlink()
    found = difference(repository, "data/photos", first.commit, second.commit)
    assert found.added == ["blue/new.png"]
    assert found.removed == ["red/000.png"]
    assert found.relabelled == [("blue/001-red.png", "red", "blue")]
    assert found.moved == [("green/002.png", "green/renamed.png")]
    assert found.counts == {"blue": (4, 6), "green": (4, 4), "red": (4, 2)}
    now = difference(repository, "data/photos", second.commit, "workspace")
    assert (now.added, now.removed) == ([], ["blue/new.png"])


def test_archives_have_versions_and_differences_too(repository: Path, tmp_path: Path) -> None:
    made = make_photos(tmp_path / "made", per_class=3)
    archive = repository / "photos.zip"
    commits = []
    for names in (CLASS_NAMES, CLASS_NAMES[:2]):
        with zipfile.ZipFile(archive, "w") as file:
            for path in sorted(path for name in names for path in (made / name).iterdir()):
                file.write(path, Path("photos") / path.relative_to(made))
        commits.append(versions.add(archive, None).commit)
    found = difference(repository, "photos.zip", *commits)
    assert found.removed == [f"photos/red/00{number}.png" for number in range(3)]
    assert found.counts["red"] == (3, 0)


def test_decisions_become_a_new_version_and_the_old_one_can_be_had_again(repository: Path) -> None:
    photos = make_photos(repository / "data" / "photos", per_class=4)
    before = tree(photos)
    first = versions.add(photos, None)
    (repository / "decisions.csv").write_text("path,label\nred/000.png,blue_\nred/001.png,\nred/002.png,red\n")
    with pytest.raises(DataError, match="A label must be one of the classes blue, green, red"):
        relabel(repository, "data/photos", read_decisions(repository / "decisions.csv"))
    assert tree(photos) == before
    (photos / "red" / "000.png").rename(photos / "red" / "a.png")
    with pytest.raises(DataError, match="must be as its version says"):
        relabel(repository, "data/photos", {"red/a.png": "blue"})
    (photos / "red" / "a.png").rename(photos / "red" / "000.png")
    second = relabel(repository, "data/photos", {"red/001.png": None, "red/002.png": "red"})
    assert second.num_files == 11
    run("git", "checkout", "--quiet", first.commit, "--", "data/photos.dvc", cwd=repository)
    dvc("checkout", "--quiet", "--force", cwd=repository)
    assert tree(photos) == before


def write_table(folder: Path, name: str) -> Path:
    """A table of photos that lie in one folder, `images`, with a column of its own."""
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    frame = pd.DataFrame({"file": paths, "class": [path.split("-")[1][:-4] for path in paths], "by": "me"})
    if name.endswith("parquet"):
        frame.astype({"class": "category"}).to_parquet(folder / name)
    else:
        frame.to_csv(folder / name, index=False, sep=";" if name == "labels.csv" else "\t")
    return folder / name


def make_flat_photos(folder: Path) -> Path:
    """Photos of three classes in one folder, which says nothing of them."""
    (folder / "images").mkdir(parents=True)
    for path in sorted(make_photos(folder.parent / "made", per_class=3).rglob("*.png")):
        path.rename(folder / "images" / f"{path.stem}-{path.parent.name}.png")
    return folder


def test_labels_in_a_table_change_there_and_are_compared(repository: Path) -> None:
    folder = make_flat_photos(repository / "photos")
    write_table(folder, "labels.csv")
    photos = tree(folder / "images")
    first = versions.add(folder, None)
    second = relabel(repository, "photos", {"images/000-red.png": "blue", "./images/001-red.png": None})
    assert tree(folder / "images") == photos, "no photo is touched"
    assert sorted(path.name for path in folder.iterdir()) == ["images", "labels.csv"]
    found = difference(repository, "photos", first.commit, second.commit)
    assert (found.added, found.removed, found.moved) == ([], ["images/001-red.png"], [])
    assert found.relabelled == [("images/000-red.png", "red", "blue")]
    assert found.counts == {"blue": (3, 4), "green": (3, 3), "red": (3, 1)}
    info = preprocess(
        f"dvc+{repository}@{first.commit}:photos/labels.csv",
        PreprocessParams(image_size=16),
        repository.parent / "dataset",
    )
    assert (info.num_kept, info.num_rejected, info.name) == (9, 0, "labels"), "the table brings its photos"


@pytest.mark.parametrize("name", ["labels.csv", "labels.tsv", "labels.parquet"])
def test_decisions_change_the_rows_of_a_table_and_nothing_else(name: str, tmp_path: Path) -> None:
    path = write_table(make_flat_photos(tmp_path / "photos"), name)
    before = path.read_bytes()
    table = find_label_table([f"images/00{number}-red.png" for number in range(3)] + [name], lambda _: before)
    assert table is not None
    for decisions, message in (
        ({"images/absent.png": "red"}, "has no row of 'images/absent.png'"),
        ({"images/000-red.png": "pink"}, "one of the classes blue, green, red"),
        ({"images/000-red.png": "red"}, "must change something"),
    ):
        with pytest.raises(DataError, match=message):
            change_table(path, table, decisions)
    write, changed = change_table(path, table, {"images/000-red.png": "blue", "images/001-red.png": None})
    assert (changed, path.read_bytes()) == (2, before)
    write(path)
    assert [(row.path, row.label) for row in read_rows(path) if "red" in str(row.path)] == [
        ("images/000-red.png", "blue"),
        ("images/002-red.png", "red"),
    ]
    assert list(read_frame(path)["by"]) == ["me"] * 8
    assert find_separator(path) == {"labels.csv": ";", "labels.tsv": "\t"}.get(name)


@pytest.mark.parametrize(
    ("decisions", "message"),
    [
        ({"red/absent.png": "blue"}, "'red/absent.png' is none"),
        ({"../photos.dvc": "blue"}, "is none"),
        ({"red/000.png": "../../outside"}, "A label must be one of the classes"),
        ({"red/000.png": "blue"}, "there is a file of its name"),
        ({"red/000.png": "red"}, "must change something"),
    ],
)
def test_decisions_that_cannot_be_carried_out_change_nothing(
    decisions: dict[str, str | None], message: str, repository: Path
) -> None:
    photos = make_photos(repository / "photos", per_class=2)
    versions.add(photos, None)
    before = tree(photos)
    with pytest.raises(DataError, match=message):
        relabel(repository, "photos", decisions)
    assert tree(photos) == before


def test_a_version_of_the_past_can_be_trained_on(repository: Path, tmp_path: Path) -> None:
    photos = make_photos(repository / "data" / "photos", per_class=6)
    first = versions.add(photos, None)
    make_photos(photos, per_class=7, seed=5)
    versions.add(photos, None)
    uri = f"dvc+{repository}@{first.commit}:data/photos"
    assert probe(uri).name == "photos"
    info = preprocess(uri, PreprocessParams(image_size=16), tmp_path / "dataset")
    assert (info.num_kept, info.rejected) == (18, {})
    assert (info.source.git_revision, info.source.dvc) == (first.commit, first.hash)
    for wrong in (f"dvc+{repository}@absent:data/photos", f"dvc+{repository}@main:absent", "dvc+nothing"):
        with pytest.raises(DataError, match=r"dvc\+"):
            probe(wrong)


def test_data_go_to_a_remote_folder_and_come_back(repository: Path, tmp_path: Path) -> None:
    photos = make_photos(repository / "photos", per_class=4)
    before = tree(photos)
    versions.add(photos, None)
    dvc("remote", "add", "--default", "backup", str(tmp_path / "backup"), cwd=repository)
    dvc("push", "--quiet", cwd=repository)
    run("git", "commit", "--quiet", "-a", "-m", "Name the remote", cwd=repository)
    run("git", "clone", "--quiet", str(repository), str(tmp_path / "clone"), cwd=tmp_path)
    dvc("pull", "--quiet", cwd=tmp_path / "clone")
    assert tree(tmp_path / "clone" / "photos") == before


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The endpoint of a real server on loopback that speaks S3, with a bucket `photos`."""
    server = pytest.importorskip("moto.server", reason="moto is not installed").ThreadedMotoServer(
        ip_address="127.0.0.1", port=0, verbose=False
    )
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    import boto3
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()  # it would speak to the server of an earlier test
    boto3.client("s3").create_bucket(Bucket="photos")
    yield endpoint
    server.stop()


def upload(folder: Path, prefix: str) -> None:
    import boto3

    for path in sorted(folder.rglob("*.*")):
        boto3.client("s3").upload_file(str(path), "photos", f"{prefix}/{path.relative_to(folder)}")


def test_data_go_to_a_bucket_and_come_back(repository: Path, bucket: str, tmp_path: Path) -> None:
    photos = make_photos(repository / "photos", per_class=2)
    before = tree(photos)
    versions.add(photos, None)
    dvc("remote", "add", "--default", "store", "s3://photos/dvc", cwd=repository)
    dvc("remote", "modify", "store", "endpointurl", bucket, cwd=repository)
    dvc("push", "--quiet", cwd=repository)
    run("git", "commit", "--quiet", "-a", "-m", "Name the remote", cwd=repository)
    run("git", "clone", "--quiet", str(repository), str(tmp_path / "clone"), cwd=tmp_path)
    dvc("pull", "--quiet", cwd=tmp_path / "clone")
    assert tree(tmp_path / "clone" / "photos") == before


def test_photos_in_a_bucket_are_fetched_once(bucket: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    photos = make_photos(tmp_path / "photos", per_class=5)
    upload(photos, "sets/colours")
    params = PreprocessParams(image_size=16)
    expected = preprocess(str(photos), params, tmp_path / "local")
    with caplog.at_level("INFO"):
        info = preprocess("s3://photos/sets/colours", params, tmp_path / "remote")
        assert (info.name, info.fingerprint, info.rejected) == ("colours", expected.fingerprint, {})
        assert any("Fetching 15 of 15 files" in text for text in caplog.messages)
        caplog.clear()
        preprocess("s3://photos/sets/colours", params, tmp_path / "remote")
        assert not any("Fetching" in text for text in caplog.messages)
    with pytest.raises(DataError, match="must be within reach at s3://photos/absent"):
        probe("s3://photos/absent/")


def test_what_lies_in_no_repository_is_told_how_to_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="git init && dvc init"):
        find_repository()


def test_the_command_adds_lists_and_compares(repository: Path) -> None:
    make_photos(repository / "photos", per_class=2)

    def darkroom(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "pipelines.cli.main", "data", *arguments]
        environment = os.environ | {"PYTHONPATH": str(Path(versions.__file__).parents[2])}
        return subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, check=False)

    assert "No data are under DVC here" in darkroom("list").stdout
    added = json.loads(darkroom("add", "photos", "--json").stdout)
    assert added["num_files"] == 6
    (repository / "decisions.csv").write_text("path,label\nred/000.png,\n")
    assert "data diff" in darkroom("relabel", "decisions.csv").stdout
    assert [one["subject"] for one in json.loads(darkroom("list", "--json").stdout)] == [
        "Relabel 1 photos of photos",
        "Add the data photos",
    ]
    shown = darkroom("diff", added["commit"]).stdout
    assert "1 removed" in shown
    assert "red                             2 →        1  (-1)" in shown
    refused = darkroom("diff", "nowhere")
    assert (refused.returncode, "must be under DVC at nowhere" in refused.stderr) == (2, True)
