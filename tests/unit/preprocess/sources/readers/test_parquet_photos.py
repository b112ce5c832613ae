"""Parquet tables that contain the photos themselves."""

import io
import json
import zipfile
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from components.contract.errors import DataError
from components.contract.params.data import ColumnNames
from components.preprocess.sources.probe import probe
from components.preprocess.sources.readers import parquet_photos
from components.preprocess.sources.source import find_photos, open_data


def picture(shade: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (24, 20), (shade, 0, 0)).save(file, "PNG")
    return file.getvalue()


def write_photo_table(path: Path, num_rows: int = 6) -> None:
    """Writes a table in the form that Hugging Face's `push_to_hub` uses."""
    photos = [{"bytes": picture(number), "path": f"{number}.png"} for number in range(num_rows)]
    features = {"image": {"_type": "Image"}, "label": {"names": ["T-shirt / top", "shoe"], "_type": "ClassLabel"}}
    labels = pa.array([*(number % 2 for number in range(num_rows - 1)), -1], pa.int64())
    table = pa.table({"image": photos, "label": labels})
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata(metadata), path)


def test_parquet_tables_can_contain_the_photos(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_photo_table(tmp_path / "set" / "data" / f"{split}-00000-of-00001.parquet")
    (tmp_path / "set" / "README.md").touch()
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as file:
        for path in (tmp_path / "set" / "data").iterdir():
            file.write(path, f"set/data/{path.name}")
    for data in ("set", "set.zip", "set/data/test-00000-of-00001.parquet"):
        assert probe(str(tmp_path / data)).native_size == (20, 24)
    with open_data(str(tmp_path / "set"), tmp_path) as data_folder:
        photo_set = find_photos(data_folder)
        assert photo_set.class_names == ("T-shirt / top", "shoe"), "class names may contain any characters"
        assert len(photo_set.files) == 10
        assert photo_set.given_splits == {"train", "test"}
        first = photo_set.files[0]
        assert first.record.path == "data/test-00000-of-00001/000000-0.png"
        assert first.location.read_bytes() == picture(0)
        assert {record.reason for record in photo_set.rejected} == {"no_label"}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"image": [b"x"], "color": ["red"]},
            "must have a column of labels, .* besides the photos in image, it has color",
        ),
        (None, "cannot be read as a Parquet file"),
    ],
)
def test_parquet_tables_that_are_unreadable_or_have_no_labels_are_rejected(
    table: dict[str, list[object]] | None, message: str, tmp_path: Path
) -> None:
    if table is None:
        (tmp_path / "a.parquet").write_bytes(b"PAR1 and nothing more")
    else:
        pd.DataFrame(table).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=message), open_data(str(tmp_path / "a.parquet"), tmp_path):
        pass


def test_the_size_limit_is_checked_while_photos_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_photo_table(tmp_path / "a.parquet")
    monkeypatch.setattr(parquet_photos, "SMALL_BYTES", 200)
    monkeypatch.setattr(parquet_photos, "MAX_RATIO", 0)
    (tmp_path / "target").mkdir()
    with pytest.raises(DataError, match=r"a\.parquet must contain at most 200 bytes"):
        parquet_photos.write_photos(tmp_path / "a.parquet", tmp_path / "target", "a", "", ColumnNames(), 0)


@pytest.mark.parametrize("name", ["../a", "/a", "a\0"])
def test_photos_of_a_table_cannot_be_written_outside_the_target_folder(name: str, tmp_path: Path) -> None:
    write_photo_table(tmp_path / "a.parquet")
    (tmp_path / "target").mkdir()
    with pytest.raises(DataError, match="must be a valid folder name"):
        parquet_photos.write_photos(tmp_path / "a.parquet", tmp_path / "target", name, "", ColumnNames(), 0)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    "path", ["../../x.png", "/etc/passwd.png", "a\\..\\b.png", "ü.png", "x" * 300 + ".png", "x.exe", None, ".png"]
)
def test_the_file_name_of_a_photo_in_a_table_cannot_lead_out_of_the_folder(path: str | None) -> None:
    _, name = parquet_photos._read_photo({"bytes": b"1", "path": path}, 7)
    assert name in {"000007-photo", "000007-.png", "000007-x.png", "000007-passwd.png", "000007-b.png"}
