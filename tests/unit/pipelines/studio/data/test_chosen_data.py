"""How the chosen data is read: the columns of a label file, and the notice about an archive's code page."""

import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.unit.pipelines.studio.conftest import Client
from tests.unit.pipelines.studio.data.conftest import png, read_view


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table whose columns have unusual names."""
    folder = tmp_path / "clinic"
    folder.mkdir()
    lines = ["id_code;diagnosis;eye"]
    for number in range(8):
        (folder / f"{number}.png").write_bytes(png(number * 30))
        lines.append(f"{number};{('healthy', 'ill')[number % 2]};{('left', 'right')[number // 4]}")
    (folder / "train.csv").write_text("\n".join(lines))
    return folder / "train.csv"


def name_columns(client: Client, **columns: Any) -> Any:
    return client.post("/api/data/columns", {"columns": columns, "revision": client.revision})


def classes_of(view: dict[str, Any]) -> dict[str, int]:
    return {each["name"]: each["num_photos"] for each in view["classes"]}


def test_columns_of_a_table_can_be_assigned_on_the_page(client: Client, table: Path) -> None:
    client.choose(table)
    view = read_view(client)
    assert view["has_table"]
    assert "must have a column of labels" in view["fault"]
    assert name_columns(client, label="diagnosis").is_success
    view = read_view(client)
    assert (view["fault"], view["columns"], classes_of(view)) == (
        None,
        {"label": "diagnosis"},
        {"healthy": 4, "ill": 4},
    )
    assert name_columns(client, path=1, label="eye").is_success
    assert classes_of(read_view(client)) == {"left": 4, "right": 4}
    assert client.studio.draft.read().params["data"]["columns"] == {"path": 1, "label": "eye"}
    name_columns(client)
    assert "columns" not in client.studio.draft.read().params["data"]


def test_choosing_other_data_resets_the_columns(client: Client, table: Path, photos: Path) -> None:
    client.choose(table)
    name_columns(client, label="diagnosis")
    client.choose(photos)
    view = read_view(client)
    assert (view["fault"], view["has_table"], view["columns"]) == (None, False, {})


@pytest.mark.parametrize("columns", [None, [], "label", {"label": ""}, {"label": 0}, {"colour": "x"}])
def test_invalid_columns_are_rejected(client: Client, table: Path, columns: Any) -> None:
    client.choose(table)
    answer = client.post("/api/data/columns", {"columns": columns, "revision": client.revision})
    assert answer.status_code == 400
    assert "columns" not in client.studio.draft.read().params["data"]


def test_a_missing_column_is_reported(client: Client, table: Path) -> None:
    client.choose(table)
    name_columns(client, label="breed")
    assert "data.columns.label must be a column of the table" in read_view(client)["fault"]


def test_the_guessed_code_page_of_a_zip_is_reported(client: Client, tmp_path: Path) -> None:
    """Python marks names with umlauts as UTF-8; the test removes the marks, as if an old program had made the zip."""
    with zipfile.ZipFile(tmp_path / "pets.zip", "w") as file:
        for number in range(4):
            for name in ("\u00c4pfel", "N\u00fcsse"):
                file.writestr(zipfile.ZipInfo(f"{name}/{number}.png"), png(number))
    content = (tmp_path / "pets.zip").read_bytes()
    for name in ("\u00c4pfel", "N\u00fcsse"):
        content = content.replace(name.encode(), name.encode("cp1252").ljust(len(name.encode()), b"s"))
    content = content.replace(b"\x00\x08\x00\x00", b"\x00\x00\x00\x00")
    answer = client.ask("PUT", "/api/data/archive", params={"name": "pets.zip", "revision": "0"}, content=content)
    assert answer.is_success, answer.text
    notices = read_view(client)["notices"]
    assert any("code page" in notice and "guess" in notice for notice in notices), notices
