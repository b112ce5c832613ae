"""Versions of data are pushed to DVC remotes and pulled back, and earlier versions can be used."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from components.contract.errors import DataError
from components.contract.params.pipeline import PreprocessParams
from components.preprocess.sources.probe import probe
from components.preprocess.step import preprocess
from pipelines.data import versions
from tests.support.artifacts import make_photos
from tests.unit.pipelines.data.repositories import dvc, run
from tests.unit.preprocess.dataset_files import tree


def test_an_earlier_version_can_be_used_for_training(repository: Path, tmp_path: Path) -> None:
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


def test_data_is_pushed_to_a_remote_folder_and_pulled_back(repository: Path, tmp_path: Path) -> None:
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
    """The endpoint of a local S3 server, simulated by moto, with the bucket `photos`."""
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

    s3fs.S3FileSystem.clear_instance_cache()  # a cached instance would use the server of an earlier test
    boto3.client("s3").create_bucket(Bucket="photos")
    yield endpoint
    server.stop()


def upload(folder: Path, prefix: str) -> None:
    import boto3

    for path in sorted(folder.rglob("*.*")):
        boto3.client("s3").upload_file(str(path), "photos", f"{prefix}/{path.relative_to(folder)}")


def test_data_is_pushed_to_a_bucket_and_pulled_back(repository: Path, bucket: str, tmp_path: Path) -> None:
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
    upload(photos, "sets/colors")
    params = PreprocessParams(image_size=16)
    expected = preprocess(str(photos), params, tmp_path / "local")
    with caplog.at_level("INFO"):
        info = preprocess("s3://photos/sets/colors", params, tmp_path / "remote")
        assert (info.name, info.fingerprint, info.rejected) == ("colors", expected.fingerprint, {})
        assert any("Downloading 15 of 15 files" in text for text in caplog.messages)
        caplog.clear()
        preprocess("s3://photos/sets/colors", params, tmp_path / "remote")
        assert not any("Downloading" in text for text in caplog.messages)
    with pytest.raises(DataError, match="The data at s3://photos/absent/ cannot be read: FileNotFoundError"):
        probe("s3://photos/absent/")
