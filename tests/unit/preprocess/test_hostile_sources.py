"""Malicious archives, buckets, addresses and DVC repositories.

A program that must not run would create a mark file, and the tests check that this file does not exist.
"""

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.contract.errors import DataError
from components.contract.foreign.confinement import ROOTS_VARIABLE
from components.contract.params.pipeline import PreprocessParams
from components.preprocess.sources.data_folder import DataFolder
from components.preprocess.sources.probe import probe
from components.preprocess.sources.provenance import find_origin
from components.preprocess.sources.remote.dvc_repository import open_repository
from components.preprocess.sources.remote.fetch import fetch
from components.preprocess.sources.source import find_photos, open_data
from components.preprocess.step import preprocess
from tests.support.artifacts import make_photos


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def dvc(folder: Path, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=folder, check=True, capture_output=True)


def test_a_git_repository_in_a_zip_runs_no_program_and_is_reported(tmp_path: Path) -> None:
    pets, mark = tmp_path / "made" / "pets", tmp_path / "ran"
    make_photos(pets, per_class=6)
    git(pets, "init", "--quiet")
    git(pets, "add", ".")
    git(pets, "commit", "--quiet", "-m", "x")
    with (pets / ".git" / "config").open("a") as config:
        config.write(f"[core]\n\tfsmonitor = touch {mark}; false\n")
    with zipfile.ZipFile(tmp_path / "pets.zip", "w") as file:
        for path in sorted(path for path in pets.rglob("*") if path.is_file()):
            file.write(path, path.relative_to(tmp_path / "made"))
    with open_data(str(tmp_path / "pets.zip"), tmp_path) as source:
        assert not list(source.path.rglob(".git*"))
        rejected = [(record.path, record.reason) for record in find_photos(source).rejected]
        assert find_origin(str(source.path)).git_revision is None
    assert rejected == [("pets/.git", "hidden")]
    info = preprocess(str(tmp_path / "pets.zip"), PreprocessParams(image_size=16), tmp_path / "dataset")
    assert (info.num_kept, info.rejected) == (18, {"hidden": 1})
    assert find_origin(str(pets)).git_revision is not None
    assert not mark.exists()


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """A client of a local S3 server with the bucket `photos`, whose content is untrusted."""
    server = pytest.importorskip("moto.server", reason="moto is not installed").ThreadedMotoServer(
        ip_address="127.0.0.1", port=0, verbose=False
    )
    server.start()
    host, port = server.get_host_and_port()
    settings = {"ENDPOINT_URL": f"http://{host}:{port}", "ACCESS_KEY_ID": "k", "SECRET_ACCESS_KEY": "s"}
    for name, value in {**settings, "DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    import boto3
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()  # otherwise, s3fs would connect to an earlier test's server
    client = boto3.client("s3")
    client.create_bucket(Bucket="photos")
    yield client
    client.close()
    server.stop()


def test_bucket_keys_cannot_lead_out_of_the_download_folder(bucket: object, tmp_path: Path) -> None:
    photo = next(make_photos(tmp_path / "made", per_class=1).rglob("*.png")).read_bytes()
    outside = tmp_path / "escaped.png"
    keys = {
        "slash": f"/{outside}",
        "double": f"//{outside}",
        "dots": f"x/../../..{outside}",
        "long": "a/" + "n" * 300,
        "control": "a/\x01.png",
        "twice": "a//1.png",
    }
    for name, key in keys.items():
        for each in ("a/1.png", "b/1.png", key):
            bucket.put_object(Bucket="photos", Key=f"{name}/{each}", Body=photo)  # type: ignore[attr-defined]
        with pytest.raises(DataError, match=r"File names must be valid|cannot be read"):
            fetch(f"s3://photos/{name}")
    assert not outside.exists()
    assert not list(tmp_path.rglob("escaped*"))


@pytest.mark.parametrize(
    "uri",
    [
        "file://{folder}",
        "local://{folder}",
        "file:{folder}/../x://",
        "memory://x",
        "data://text/plain,x.csv",
        "dir://::file://{folder}",
        "zip://a::file://{folder}/z.zip",
        "simplecache::file://{folder}/z.zip",
        "filecache::https://127.0.0.1:9/z.zip",
        "blockcache::s3://x/z.zip",
        "reference://::file://{folder}/refs.json",
        "github://a:b@/x.zip",
        "git://{folder}:x",
        "sftp://127.0.0.1/x.zip",
        "ssh://-oProxyCommand=x/x.zip",
        "smb://127.0.0.1/x/y.zip",
        "ftp://127.0.0.1:9/x.zip",
        "https://127.0.0.1:9/a::file:///etc/passwd",
        "FILE://{folder}",
        " file://{folder}",
        "asynclocal://{folder}",
        "jlab://127.0.0.1",
        "://",
    ],
)
def test_local_chained_and_unsupported_addresses_are_refused(uri: str, tmp_path: Path) -> None:
    make_photos(tmp_path, per_class=2)
    with pytest.raises(DataError, match="is not supported"):
        probe(uri.format(folder=tmp_path))


@pytest.mark.parametrize(
    ("repository", "revision", "path"),
    [
        ("--upload-pack=touch {mark}", "main", "x"),
        ("ext::sh -c touch% {mark}", "main", "x"),
        ("ssh://-oProxyCommand=touch {mark}/x", "main", "x"),
        ("git@-oProxyCommand=touch {mark}:x", "main", "x"),
        ("file://{mark}", "main", "x"),
        ("fd::3", "main", "x"),
        ("-c core.fsmonitor=touch", "main", "x"),
        ("https://127.0.0.1:9/x.git", "--output=x", "x"),
        ("https://127.0.0.1:9/x.git", "main..other", "x"),
        ("https://127.0.0.1:9/x.git", "main", "../x"),
        ("https://127.0.0.1:9/x.git", "main", "a/../../x"),
    ],
)
def test_repository_addresses_that_could_run_programs_or_lead_outside_are_refused(
    repository: str, revision: str, path: str, tmp_path: Path
) -> None:
    from pipelines.runners.cluster.data_revision import resolve_revision

    uri = f"dvc+{repository.format(mark=tmp_path / 'ran')}@{revision}:{path}"
    for look in (probe, resolve_revision):
        with pytest.raises(DataError, match=r"A repository must|A revision must|The path must be a file"):
            look(uri)
    assert not (tmp_path / "ran").exists()


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git repository whose photos are tracked by DVC and stored in its own DVC cache."""
    folder = tmp_path_factory.mktemp("foreign") / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet", "-b", "main")
    dvc(folder, "init", "--quiet")
    make_photos(folder / "photos", per_class=3)
    dvc(folder, "add", "--quiet", "photos")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "photos")
    return folder


def change(folder: Path, name: str, content: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(content)
    git(folder, "add", "-f", name)
    git(folder, "commit", "--quiet", "-m", name)


def test_only_safe_settings_of_an_untrusted_repository_are_used(
    foreign: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The remote is an attacker's server, and its settings name a program that DVC would run to get a token."""
    mark = tmp_path / "ran"
    change(
        foreign,
        ".dvc/config",
        (
            f"[core]\n    remote = r\n    site_cache_dir = {tmp_path}/site\n[cache]\n    dir = {tmp_path}/cache\n"
            f"['remote \"r\"']\n    url = webdavs://127.0.0.1:9/x\n    bearer_token_command = touch {mark}\n"
            "    keyfile = /root/.ssh/id_rsa\n    ask_password = true\n"
        ),
    )
    info = preprocess(f"dvc+{foreign}@main:photos", PreprocessParams(image_size=16), tmp_path / "dataset")
    assert (info.num_kept, info.source.git_revision is None) == (9, False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dataset"], (
        "no folder named in the repository's settings may be created"
    )
    assert (
        "Ignored settings of the DVC remote r from an untrusted repository: ask_password, "
        "bearer_token_command, keyfile, url." in (caplog.text)
    )


@pytest.mark.parametrize("url", ["{secret}", "../../secret", "file://{secret}", "ssh://127.0.0.1/x", "/"])
def test_a_local_path_or_unsupported_url_of_an_untrusted_remote_is_ignored(
    url: str, foreign: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret = foreign.parent / "secret"
    secret.mkdir(exist_ok=True)
    change(foreign, ".dvc/config", f"[core]\n    remote = r\n['remote \"r\"']\n    url = {url.format(secret=secret)}\n")
    change(foreign, "gone.dvc", f"outs:\n- md5: {'0' * 32}\n  hash: md5\n  path: gone\n  size: 1\n# {url}\n")
    (secret / "files" / "md5" / "00").mkdir(parents=True, exist_ok=True)
    (secret / "files" / "md5" / "00" / ("0" * 30)).write_bytes(b"secret")
    with pytest.raises(DataError):
        probe(f"dvc+{foreign}@main:gone")
    assert "Ignored settings of the DVC remote r from an untrusted repository: url." in caplog.text


def test_an_untrusted_dvc_file_can_only_refer_to_data_of_its_repository(foreign: Path, tmp_path: Path) -> None:
    """Imports, settings, and outputs outside the repository must neither reach other files nor run programs."""
    secret = next(make_photos(tmp_path / "secret", per_class=1).rglob("*.png"))
    md5, mark = "d41d8cd98f00b204e9800998ecf8427e", tmp_path / "ran"
    for name, content in {
        "imported": f"deps:\n- path: {secret}\nouts:\n- md5: {md5}\n  path: imported\n",
        "elsewhere": f"outs:\n- md5: {md5}\n  path: {secret}\n",
        "upwards": f"outs:\n- md5: {md5}\n  path: ../{secret.name}\n",
        "settings": f"outs: [{{md5: {md5}, path: settings, fs_config: {{bearer_token_command: touch {mark}}}}}]",
    }.items():
        change(foreign, f"{name}.dvc", content)
        with pytest.raises(DataError, match="cannot be read"):
            probe(f"dvc+{foreign}@main:{name}")
    assert not mark.exists()


def test_nothing_outside_the_roots_is_listed_or_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, outside = tmp_path / "root", make_photos(tmp_path / "outside", per_class=3)
    photos = make_photos(root / "photos", per_class=3)
    first = next(outside.rglob("*.png"))
    (photos / "red" / "link.png").symlink_to(first)
    (photos / "linked").symlink_to(outside / "red")
    (root / "table.csv").write_text(
        f"path,label\nphotos/red/000.png,a\nphotos/blue/000.png,b\n{first},b\n/dev/zero,a\n"
    )
    assert probe(str(outside)).native_size == (40, 32)
    monkeypatch.setenv(ROOTS_VARIABLE, json.dumps([str(root)]))
    for data in (str(outside), str(photos / "linked"), f"{root}/../outside", f"dvc+{outside}@main:x"):
        with pytest.raises(DataError, match="must be in"):
            probe(data)
    photo_set = find_photos(DataFolder(photos))
    assert {record.path: record.reason for record in photo_set.rejected} == {
        "linked": "outside_data",
        "red/link.png": "outside_data",
    }
    labeled = find_photos(DataFolder(root, label_file=root / "table.csv"))
    files = {file.record.path: file for file in labeled.files}
    with pytest.raises(PermissionError, match="outside the folders that may be read"):
        files[str(first)].open()
    assert [(record.path, record.reason) for record in labeled.rejected] == [("/dev/zero", "unreadable")]
    info = preprocess(str(photos), PreprocessParams(image_size=16), tmp_path / "dataset")
    assert (info.num_kept, info.rejected) == (9, {"outside_data": 2})


def test_a_deeply_nested_dvc_file_of_an_untrusted_repository_is_ignored(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    make_photos(repository / "photos", per_class=1)
    (repository / "data.dvc").write_text(f"outs: {'[' * 5000}{']' * 5000}\n")
    git(repository, "init", "--quiet")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "x")
    with open_repository(str(repository), "HEAD", "photos") as view:
        assert view.system.ls("/", detail=False) == ["/photos"]
