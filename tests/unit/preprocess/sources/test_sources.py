"""Tables, CIFAR and IDX files, and addresses: other ways to say what the photos and their labels are."""

import base64
import gzip
import hashlib
import http.server
import importlib
import json
import shutil
import struct
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
import pandas as pd
import pytest

from components.contract.artifacts.dataset import SPLITS, open_split
from components.contract.errors import DataError
from components.contract.params.pipeline import PreprocessParams
from components.preprocess.sources.data_folder import DataFolder
from components.preprocess.sources.probe import probe
from components.preprocess.sources.readers.table import read_rows
from components.preprocess.sources.source import find_photos
from components.preprocess.step import preprocess
from tests.support.artifacts import CLASS_NAMES, make_photos
from tests.unit.preprocess.dataset_files import read_manifest, tree

PARAMS = PreprocessParams(image_size=16)


def write_table(folder: Path, name: str = "labels.csv", **columns: object) -> Path:
    """A table of the photos that `make_photos` made there."""
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    frame = pd.DataFrame({"Filename": paths, "Class": [path.split("/")[-2] for path in paths], **columns})
    if name.endswith("parquet"):
        frame.to_parquet(folder / name)
    else:
        frame.to_csv(folder / name, index=False, sep="\t" if name.endswith("tsv") else ";")
    return folder / name


@pytest.mark.parametrize("name", ["labels.csv", "labels.tsv", "labels.parquet"])
def test_a_table_says_what_folders_say(name: str, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", per_class=8)
    expected = preprocess(str(photos), PARAMS, tmp_path / "expected")
    table = write_table(photos, name)
    assert probe(str(table)).native_size == (40, 32)
    info = preprocess(str(table), PARAMS, tmp_path / "dataset")
    assert (info.name, info.fingerprint, info.num_rejected) == ("labels", expected.fingerprint, 0)


def test_a_table_gives_splits_and_groups(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", per_class=12)
    table = write_table(photos, split=["Train", "val", "TEST"] * 12)
    preprocess(str(table), PARAMS, tmp_path / "split")
    assert [row["split"] for row in read_manifest(tmp_path / "split")] == ["train", "validation", "test"] * 12
    table = write_table(photos, patient=[f"p{number // 2}" for number in range(36)])
    preprocess(str(table), PARAMS, tmp_path / "grouped")
    rows = read_manifest(tmp_path / "grouped")
    assert len({(row["group"], row["split"]) for row in rows}) == 18
    assert {row["split"] for row in rows} == set(SPLITS)


def test_rows_that_name_no_photo_are_rejected_by_name(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", per_class=6)
    table = write_table(photos)
    with table.open("a") as file:
        file.write("red/absent.png;red\n;red\nred/000.png;\nred/001.png;red\n")
    info = preprocess(str(table), PARAMS, tmp_path / "dataset")
    assert info.rejected == {"no_label": 1, "no_path": 1, "unreadable": 1}
    assert info.num_kept == 18, "the row that is there twice counts once"


def test_classes_may_be_called_like_numbers_or_like_nothing(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("path,label\na.png,NA\nb.png,007\n")
    assert [row.label for row in read_rows(tmp_path / "labels.csv")] == ["NA", "007"]
    assert find_photos(DataFolder(tmp_path, label_file=tmp_path / "labels.csv")).class_names == ("007", "NA")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "must be a readable CSV"),
        (b"path,colour\na,b\n", r"must have a column of labels, called label or class.*it has path, colour"),
        (b"label\na\n", "must have a column of paths"),
        (b"path,label\na.png,\xff\xfe\n", "must be a readable CSV"),
        (b"path,label\na.png,x\n", "at least two classes; the table .* names one, 'x'"),
        (b"path,label,split\na.png,x,later\nb.png,y,\n", "says 'later' in line 2"),
    ],
)
def test_tables_that_say_nothing_are_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        probe(str(tmp_path / "labels.csv"))


def test_an_archive_may_bring_its_table_but_names_nothing_outside(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "made" / "set" / "all", per_class=6)
    table = write_table(photos.parent)
    with table.open("a") as file:
        file.write("../../secret.png;red\n/etc/hostname;red\n")
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as file:
        for path in sorted((tmp_path / "made").rglob("*.*")):
            file.write(path, path.relative_to(tmp_path / "made"))
    info = preprocess(str(tmp_path / "set.zip"), PARAMS, tmp_path / "dataset")
    assert (info.num_kept, info.class_names, info.rejected) == (18, CLASS_NAMES, {"outside_data": 2})


def write_cifar(folder: Path) -> None:
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    (folder / "batches.meta.txt").write_text("cat\ndog\n\n")
    for name in ("data_batch_1.bin", "data_batch_2.bin", "test_batch.bin"):
        rows = rng.integers(0, 256, (12, 3073), np.uint8)
        rows[:, 0] = np.arange(12) % 2
        rows[0, 1:1025], rows[0, 1025:] = 200, 10  # a red cat
        rows.tofile(folder / name)


def test_cifar_batches_become_photos(tmp_path: Path) -> None:
    write_cifar(tmp_path / "made" / "cifar-10-batches-bin")
    with tarfile.open(tmp_path / "cifar-10-binary.tar.gz", "w:gz") as file:
        file.add(tmp_path / "made" / "cifar-10-batches-bin", "cifar-10-batches-bin")
    assert probe(str(tmp_path / "cifar-10-binary.tar.gz")).native_size == (32, 32)
    params = PreprocessParams(image_size=32)
    info = preprocess(str(tmp_path / "cifar-10-binary.tar.gz"), params, tmp_path / "dataset")
    assert (info.class_names, info.native_size) == (("cat", "dog"), (32, 32))
    assert info.num_images("test") == 12
    test = open_split(tmp_path / "dataset", "test")
    red = [index for index in range(12) if (test.image(index) == (200, 10, 10)).all()]
    assert [info.class_names[test.labels[index]] for index in red] == ["cat"]
    again = preprocess(str(tmp_path / "made"), params, tmp_path / "folder")
    assert again.fingerprint == info.fingerprint


def write_idx(folder: Path, *, num_labels: int = 12) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for split, suffix in (("train", ""), ("t10k", ".gz")):
        pixels = struct.pack(">IIII", 0x803, 12, 9, 8) + rng.integers(0, 256, 12 * 72, np.uint8).tobytes()
        labels = struct.pack(">II", 0x801, num_labels) + bytes(number % 2 + 7 for number in range(num_labels))
        for name, content in ((f"{split}-images-idx3-ubyte", pixels), (f"{split}-labels-idx1-ubyte", labels)):
            (folder / f"{name}{suffix}").write_bytes(gzip.compress(content) if suffix else content)


def test_idx_files_become_photos(tmp_path: Path) -> None:
    write_idx(tmp_path / "mnist")
    assert probe(str(tmp_path / "mnist")).native_size == (9, 8)
    info = preprocess(str(tmp_path / "mnist"), PreprocessParams(image_size=(9, 8)), tmp_path / "dataset")
    assert info.class_names == ("7", "8")
    assert info.num_images("test") == 12
    originals = (tmp_path / "mnist" / "train-images-idx3-ubyte").read_bytes()
    for index in range(info.num_images("train")):
        assert open_split(tmp_path / "dataset", "train").image(index)[..., 0].tobytes() in originals


def test_binary_files_that_are_damaged_are_refused(tmp_path: Path) -> None:
    write_cifar(tmp_path / "cifar")
    with (tmp_path / "cifar" / "data_batch_1.bin").open("ab") as file:
        file.write(b"more")
    write_idx(tmp_path / "counts", num_labels=11)
    write_idx(tmp_path / "short")
    path = tmp_path / "short" / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    write_idx(tmp_path / "bomb")
    (tmp_path / "bomb" / "train-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 0x803, 2**31, 2**15, 2**15))
    write_idx(tmp_path / "alone")
    (tmp_path / "alone" / "train-labels-idx1-ubyte").unlink()
    write_idx(tmp_path / "gzip")
    (tmp_path / "gzip" / "t10k-images-idx3-ubyte.gz").write_bytes(b"\x1f\x8bno")
    (tmp_path / "pickles").mkdir()
    for name in ("data_batch_1", "batches.meta"):
        (tmp_path / "pickles" / name).write_bytes(b"cos\nsystem\n.")
    for name, message in {
        "cifar": "rows of 3,073 bytes",
        "counts": "12 pictures and .* 11 labels",
        "short": "it holds 863",
        "bomb": "must hold at most",
        "alone": "its labels must stand",
        "gzip": "intact IDX file",
        "pickles": "pickles",
    }.items():
        with pytest.raises(DataError, match=message):
            preprocess(str(tmp_path / name), PARAMS, tmp_path / "dataset")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path, list[str]]]:
    """A web server on loopback: its address, its folder, and the paths that were asked for."""
    folder, asked = tmp_path / "served", []
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            asked.append(f"{self.command} {self.path}")

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as web:
        thread = threading.Thread(target=web.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{web.server_port}", folder, asked
        web.shutdown()
        thread.join()


def test_an_archive_is_fetched_by_its_address_once(server: tuple[str, Path, list[str]], tmp_path: Path) -> None:
    address, folder, asked = server
    photos = make_photos(tmp_path / "photos", per_class=6)
    expected = preprocess(str(photos), PARAMS, tmp_path / "expected")
    shutil.make_archive(str(folder / "colours"), "zip", tmp_path, "photos")
    assert probe(f"{address}/colours.zip?raw=1").name == "colours"
    info = preprocess(f"{address}/colours.zip?raw=1", PARAMS, tmp_path / "dataset")
    assert (info.fingerprint, info.source.uri) == (expected.fingerprint, f"{address}/colours.zip?***")
    assert sum(line.startswith("GET") for line in asked) == 1
    assert tree(tmp_path / "dataset" / "golden") == tree(tmp_path / "expected" / "golden")


def test_a_table_is_fetched_with_the_photos_that_it_names(server: tuple[str, Path, list[str]], tmp_path: Path) -> None:
    address, folder, _ = server
    write_table(make_photos(folder, per_class=6))
    with (folder / "labels.csv").open("a") as file:
        file.write("red/absent.png;red\n../secret.png;red\n")
    info = preprocess(f"{address}/labels.csv", PARAMS, tmp_path / "dataset")
    assert (info.num_kept, info.rejected) == (18, {"outside_data": 1, "unreadable": 1})


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("{address}/absent.zip", "must be within reach at .*absent.zip"),
        ("{address}/folder/", "must lead to an archive or a table"),
        ("http://127.0.0.1:9/photos.zip", "must be within reach"),
        ("nonsense://photos.zip", "must be within reach at nonsense://"),
        ("dvc+somewhere", "must be named dvc"),
    ],
)
def test_addresses_that_lead_nowhere_are_told(
    uri: str, message: str, server: tuple[str, Path, list[str]], tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        probe(uri.format(address=server[0]))


@pytest.fixture
def google(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose folders are the buckets of a server on loopback that speaks as much of Google's JSON API as it
    takes to list and to read; the client is the real one."""
    pytest.importorskip("gcsfs", reason="the extra gs is not installed")
    root = tmp_path / "buckets"

    def told(bucket: str, path: Path) -> dict[str, str]:
        name = path.relative_to(root / bucket).as_posix()
        return {
            "kind": "storage#object",
            "bucket": bucket,
            "name": name,
            "size": str(path.stat().st_size),
            "md5Hash": base64.b64encode(hashlib.md5(path.read_bytes()).digest()).decode(),
            "updated": "2026-01-01T00:00:00.000Z",
            "timeCreated": "2026-01-01T00:00:00.000Z",
        }

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            query = parse_qs(address.query)
            bucket, _, rest = address.path.split("/b/")[1].partition("/o")
            name = unquote(rest.lstrip("/"))
            path = root / bucket / name
            if name and not path.is_file():
                return self.answer(404, b'{"error": {"code": 404, "message": "Not Found"}}')
            if name and query.get("alt") == ["media"]:
                return self.answer(200, path.read_bytes())
            if name:
                return self.answer(200, json.dumps(told(bucket, path)).encode())
            prefix = query.get("prefix", [""])[0]
            items = [told(bucket, path) for path in sorted((root / bucket).rglob("*.*"))]
            found = [item for item in items if item["name"].startswith(prefix)]
            return self.answer(200, json.dumps({"kind": "storage#objects", "items": found}).encode())

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as web:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{web.server_port}")
        threading.Thread(target=web.serve_forever).start()
        yield root
        web.shutdown()


def test_photos_in_a_bucket_of_google_are_fetched(google: Path, tmp_path: Path) -> None:
    photos = make_photos(google / "pets" / "sets" / "colours", per_class=5)
    expected = preprocess(str(photos), PARAMS, tmp_path / "local")
    info = preprocess("gs://pets/sets/colours", PARAMS, tmp_path / "remote")
    assert (info.name, info.fingerprint, info.rejected) == ("colours", expected.fingerprint, {})
    shutil.make_archive(str(google / "pets" / "colours"), "zip", photos)
    assert probe("gs://pets/colours.zip").native_size == (40, 32)
    with pytest.raises(DataError, match=r"must be within reach at gs://pets/absent\.zip"):
        probe("gs://pets/absent.zip")


@pytest.mark.parametrize(("scheme", "module", "extra"), [("gs", "gcsfs", "gs"), ("s3", "s3fs", "preprocess")])
def test_an_address_whose_package_is_missing_names_the_extra(
    scheme: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    known = importlib.import_module("fsspec.registry")._registry  # file systems that were used before
    monkeypatch.delitem(known, scheme, raising=False)
    with pytest.raises(DataError, match=rf"For {scheme}:// a package is needed .* pip install 'darkroom\[{extra}\]'"):
        probe(f"{scheme}://pets/colours.zip")
