"""Tables, picture files, folders and DVC files that are too large or unreadable."""

import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.contract.errors import DataError
from components.preprocess.sources import listing
from components.preprocess.sources.provenance import dvc_hash
from components.preprocess.sources.readers import binary, parquet, text_cells
from components.preprocess.sources.readers.label_files import read_labels


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"path,label\n" + b"a" * 300_000, "lines of at most 262,144 characters"),
        (b"path,label" + b"," * 5000 + b"\na,b", "at most 1,000 columns; it has 5,002"),
        (b"path,label\na," + b"b" * 300_000 + b"\n", "lines of at most 262,144 characters"),
        (b"path,label\na\0,b\n", "must be text; it contains zero bytes"),
        ("path,label\na,".encode("utf-16") + "b".encode("utf-16-le") * 300_000, "lines of at most 262,144 characters"),
        (b"path,label\n" + b"a,b\n" * 60, "at most 50 rows"),
        (b"path,label\n" + b",,,,,,,,,,\n" * 40, "at most 300 cells"),
    ],
)
def test_the_limits_of_a_text_table_are_checked_before_it_is_loaded(
    content: bytes, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "MAX_ROWS", 50)
    monkeypatch.setattr(text_cells, "MAX_CELLS", 300)
    (tmp_path / "table.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_labels(tmp_path / "table.csv")


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_long_tables_with_any_line_ending_are_read(newline: str, tmp_path: Path) -> None:
    text = newline.join(["path,label", *(f"{number}.png,{'ab'[number % 2]}" for number in range(40_000))])
    (tmp_path / "table.csv").write_bytes(text.encode())
    assert len(read_labels(tmp_path / "table.csv").rows) == 40_000


def repeat_text(text: str, num_rows: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(num_rows, np.int32)), [text])


def test_a_small_parquet_table_that_expands_to_gigabytes_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"path": repeat_text("x" * 10**6, 5000), "label": repeat_text("a", 5000)}), path)
    assert path.stat().st_size < 10**5
    with pytest.raises(DataError, match="must contain at most 536,870,912 bytes"):
        read_labels(path)


def test_a_parquet_table_with_too_many_rows_or_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"path": repeat_text("x", 3_000_001), "label": repeat_text("a", 3_000_001)}), path)
    with pytest.raises(DataError, match="at most 3,000,000 rows"):
        parquet.measure_parquet(path)
    pq.write_table(pa.table({f"column{number}": [1] for number in range(1001)}), path)
    with pytest.raises(DataError, match="at most 1,000 columns; it has 1,001"):
        parquet.measure_parquet(path)


@pytest.mark.proof
def test_a_parquet_page_of_gigabytes_fails_only_in_the_process_that_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    cells = pa.table({"path": ["x" * 1_500_000_000], "label": ["a"]})
    pq.write_table(cells, path, compression="zstd", use_dictionary=False)
    with pytest.raises(DataError, match=r"must be read in 3,221 MB of memory|must contain at most"):
        read_labels(path)


@pytest.mark.parametrize("name", ["table.csv", "table.tsv", "table.parquet"])
def test_a_pipe_with_the_name_of_a_table_is_refused(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(DataError, match="not a regular file"):
        read_labels(tmp_path / name)


@pytest.mark.parametrize(
    ("header", "content", "message"),
    [
        ((2**31, 2**15, 2**15), b"", "its header declares"),
        ((2**20 + 1, 1, 1), bytes(2**20 + 1), "must contain at most 1,000,000 pictures"),
        ((10, 0, 28), b"", "must have pixels"),
        ((10, 28, 28), b"x" * 100, "must have 7,840 values according to its header; it has 100"),
        ((1000, 256, 256), bytes(65_536_000), "must have 65,536,000 values|contain at most 67,108,864 bytes"),
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_limits_of_idx_files_apply_to_their_header_and_their_content(
    header: tuple[int, int, int], content: bytes, message: str, compressed: bool, tmp_path: Path
) -> None:
    path = tmp_path / f"train-images-idx3-ubyte{'.gz' if compressed else ''}"
    data = struct.pack(">IIII", binary.IDX_IMAGES, *header) + content
    if len(content) > 10**7:
        data += bytes(2_000_000) if compressed else b"x"
    path.write_bytes(gzip.compress(data, 1) if compressed else data)
    with pytest.raises(DataError, match=message):
        binary._idx_values(path, binary.IDX_IMAGES)


def test_a_folder_with_too_many_entries_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MAX_ENTRIES", 10)
    for number in range(11):
        (tmp_path / str(number)).touch()
    with pytest.raises(DataError, match=r"at most 10 files and folders; it contains more\. Split it up"):
        listing.list_folder(tmp_path)


@pytest.mark.parametrize(
    "text", ["outs: [1]", "outs: 5", "[" * 5000, "outs: {a: b}", "a: &a [*a]", "- x", "stages: []", "x" * 300_000]
)
def test_unreadable_dvc_files_are_ignored(text: str, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos.dvc").write_text(text)
    (tmp_path / "dvc.lock").write_text(text)
    assert dvc_hash(tmp_path / "photos") is None
