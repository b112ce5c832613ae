"""Outputs appear whole or not at all."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

from components.contract.errors import ArtifactError
from components.contract.outputs import new_folder, read_json, write_file, write_json
from tests.disks import remount, small_disk


def test_a_new_folder_appears_when_it_is_done(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "output"
    with new_folder(target) as folder:
        (folder / "file").write_text("new")
        assert not target.exists()
    assert (target / "file").read_text() == "new"
    assert list(target.parent.iterdir()) == [target]


def test_an_error_leaves_the_earlier_folder_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "output"
    with new_folder(target) as folder:
        (folder / "file").write_text("old")
    with pytest.raises(RuntimeError), new_folder(target) as folder:
        (folder / "file").write_text("half")
        raise RuntimeError
    assert (target / "file").read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_new_folder_replaces_the_earlier_one_whole(tmp_path: Path) -> None:
    target = tmp_path / "output"
    for name in ("old", "new"):
        with new_folder(target) as folder:
            (folder / name).touch()
    assert [path.name for path in target.iterdir()] == ["new"]


def test_a_kill_leaves_no_target_and_the_next_writer_clears_the_remains(tmp_path: Path) -> None:
    target = tmp_path / "output"
    program = (
        "import os, pathlib, signal, sys\n"
        "from components.contract.outputs import new_folder\n"
        "with new_folder(pathlib.Path(sys.argv[1])) as folder:\n"
        "    (folder / 'file').write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(target)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not target.exists()
    assert len(list(tmp_path.iterdir())) == 1
    with new_folder(target):
        pass
    assert list(tmp_path.iterdir()) == [target]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match="must be writable"), new_folder(tmp_path / "file" / "output"):
        pass


def test_a_place_that_is_not_to_be_written_to_is_named(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "64k") as disk:
        remount(disk, "ro")
        with (
            pytest.raises(ArtifactError, match=r"must be writable; it is not: .*Read-only"),
            new_folder(disk / "output"),
        ):
            pass


def test_a_full_disk_is_named_and_leaves_the_earlier_folder(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "64k") as disk:
        target = disk / "output"
        with new_folder(target) as folder:
            (folder / "file").write_text("old")
        with (
            pytest.raises(ArtifactError, match=r"must be room for .*output, .*No space left"),
            new_folder(target) as folder,
        ):
            (folder / "file").write_bytes(bytes(100_000))
        assert (target / "file").read_text() == "old"
        assert list(disk.iterdir()) == [target]
        remount(disk, "size=256k")
        with new_folder(target) as folder:
            (folder / "file").write_bytes(bytes(100_000))


def test_a_file_is_replaced_in_one_move(tmp_path: Path) -> None:
    target = tmp_path / "file"
    write_file(target, b"old")
    with target.open("rb") as before:
        write_file(target, b"new")
        assert before.read() == b"old"
    assert target.read_bytes() == b"new"
    assert target.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [target]


class Content(BaseModel):
    number: int


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "there is none"), ("{", "damaged"), ('{"number": "many"}', "number: expected a valid integer")],
)
def test_a_damaged_artifact_is_named(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "content.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ArtifactError, match=r"content\.json") as error:
        read_json(path, Content, "content")
    assert message in str(error.value)


def test_json_survives_the_way_through_a_file(tmp_path: Path) -> None:
    write_json(tmp_path / "content.json", Content(number=3))
    assert read_json(tmp_path / "content.json", Content, "content") == Content(number=3)


def test_json_refuses_what_json_cannot_say(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        write_json(tmp_path / "content.json", {"number": float("nan")})
    assert not (tmp_path / "content.json").exists()
