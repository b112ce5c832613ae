"""Outputs are written completely or not at all."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from pydantic import BaseModel

from components.contract.errors import ArtifactError
from components.contract.system.atomic_files import new_folder, read_json, write_file, write_json
from tests.support.small_disk import remount, small_disk


def test_a_new_folder_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "output"
    with new_folder(target) as folder:
        (folder / "file").write_text("new")
        assert not target.exists()
    assert (target / "file").read_text() == "new"
    assert list(target.parent.iterdir()) == [target]


def test_an_error_leaves_the_earlier_folder_unchanged(tmp_path: Path) -> None:
    target = tmp_path / "output"
    with new_folder(target) as folder:
        (folder / "file").write_text("old")
    with pytest.raises(RuntimeError), new_folder(target) as folder:
        (folder / "file").write_text("half")
        raise RuntimeError
    assert (target / "file").read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_pipe_receives_the_content_and_remains_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as pool:
        read = pool.submit(pipe.read_bytes)
        write_file(pipe, b"content")
        assert read.result(timeout=20) == b"content"
    with pytest.raises(ArtifactError, match="must be a folder; it is a device or a pipe"), new_folder(pipe):
        pass
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_new_folder_replaces_the_earlier_one_completely(tmp_path: Path) -> None:
    target = tmp_path / "output"
    for name in ("old", "new"):
        with new_folder(target) as folder:
            (folder / name).touch()
    assert [path.name for path in target.iterdir()] == ["new"]


def test_after_a_kill_there_is_no_target_and_the_next_writer_removes_the_partial_output(tmp_path: Path) -> None:
    target = tmp_path / "output"
    program = (
        "import os, pathlib, signal, sys\n"
        "from components.contract.system.atomic_files import new_folder\n"
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


HELD = """
import pathlib, sys
from components.contract.system.atomic_files import new_folder
with new_folder(pathlib.Path(sys.argv[1])) as folder:
    (folder / sys.argv[2]).touch()
    print("at work", flush=True)
    sys.stdin.read()
"""


def test_writers_of_one_target_do_not_interfere_with_each_other(tmp_path: Path) -> None:
    target = tmp_path / "output"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", HELD, str(target), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name in ("first", "second")
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "at work\n"
    for writer, name in zip(writers, ("first", "second"), strict=True):
        writer.communicate("")
        assert writer.returncode == 0
        assert [path.name for path in target.iterdir()] == [name]
    assert list(tmp_path.iterdir()) == [target]


def test_many_simultaneous_writers_of_one_target_all_succeed(tmp_path: Path) -> None:
    target = tmp_path / "output"

    def write(number: int) -> None:
        for _ in range(40):
            with new_folder(target) as folder:
                (folder / f"{number}").touch()
            write_file(tmp_path / "file", b"whole")

    with ThreadPoolExecutor(4) as writers:
        list(writers.map(write, range(4)))
    assert len(list(target.iterdir())) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "output"]


def test_a_folder_exists_at_all_times_while_it_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "output"
    with new_folder(target):
        pass
    program = (
        HELD.replace("sys.stdin.read()", "").replace("with ", "while True:\n  with ").replace("\n    ", "\n      ")
    )
    for _ in range(6):
        writer = subprocess.Popen([sys.executable, "-c", program, str(target), "file"], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        for _ in range(5):
            writer.stdout.readline()
        writer.kill()
        writer.communicate()
        assert target.is_dir()
    with new_folder(target):
        pass
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("name", ["[abc]", "a" * 255, "猫" * 85])
def test_only_partial_outputs_of_the_same_target_are_removed(tmp_path: Path, name: str) -> None:
    other = tmp_path / ".a.partial-12345678"
    other.mkdir()
    own = tmp_path / f".{name[:60]}.partial-12345678"
    if name == "[abc]":
        own.mkdir()
    with new_folder(tmp_path / name):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([other.name, name])


def test_a_full_disk_is_reported_even_if_a_library_drops_the_error_number(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "256k") as disk:
        message = r"disk is too full for .*more than 0\.\d MB; 0\.0 MB are free in "
        with pytest.raises(ArtifactError, match=message):  # noqa: SIM117
            with new_folder(disk / "output") as folder:
                np.save(folder / "array.npy", np.zeros(100_000))  # raises an OSError without an error number
        assert list(disk.iterdir()) == []


def test_a_disk_that_becomes_read_only_is_reported(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "4m") as disk:
        with pytest.raises(ArtifactError, match=r"cannot be written: .*Read-only"):  # noqa: SIM117
            with new_folder(disk / "output") as folder:
                remount(disk, "ro")
                (folder / "file").touch()
        remount(disk, "rw")


def test_an_unwritable_path_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match="cannot be written"), new_folder(tmp_path / "file" / "output"):
        pass


def test_a_read_only_path_is_reported(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "64k") as disk:
        remount(disk, "ro")
        with (
            pytest.raises(ArtifactError, match=r"cannot be written: .*Read-only"),
            new_folder(disk / "output"),
        ):
            pass


def test_a_full_disk_is_reported_and_leaves_the_earlier_folder(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "64k") as disk:
        target = disk / "output"
        with new_folder(target) as folder:
            (folder / "file").write_text("old")
        with (
            pytest.raises(ArtifactError, match=r"disk is too full for .*output and .*No space left"),
            new_folder(target) as folder,
        ):
            (folder / "file").write_bytes(bytes(100_000))
        assert (target / "file").read_text() == "old"
        assert list(disk.iterdir()) == [target]
        remount(disk, "size=256k")
        with new_folder(target) as folder:
            (folder / "file").write_bytes(bytes(100_000))


def test_a_file_is_replaced_atomically(tmp_path: Path) -> None:
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
    [(None, "it is missing in"), ("{", "damaged"), ('{"number": "many"}', "number: expected a valid integer")],
)
def test_a_missing_or_damaged_artifact_is_reported(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "content.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ArtifactError, match=r"content\.json") as error:
        read_json(path, Content, "content")
    assert message in str(error.value)


def test_json_survives_a_round_trip_through_a_file(tmp_path: Path) -> None:
    write_json(tmp_path / "content.json", Content(number=3))
    assert read_json(tmp_path / "content.json", Content, "content") == Content(number=3)


def test_values_that_json_cannot_represent_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        write_json(tmp_path / "content.json", {"number": float("nan")})
    assert not (tmp_path / "content.json").exists()
