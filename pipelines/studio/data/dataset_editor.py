"""Creates data sets in the studio, empty or from an archive, and edits their class folders."""

import json
import shutil
import unicodedata
from pathlib import Path
from typing import Final

from components.contract.foreign import archive
from components.contract.foreign.confinement import UnsafeNameError, is_tool_file, within
from components.contract.system.atomic_files import write_file
from components.contract.text import printable
from components.preprocess.sources.data_folder import UNPACK_NOTE
from components.preprocess.sources.source import name_of
from pipelines.studio.settings import StudioError
from pipelines.studio.workers import Workers, seconds_to_unpack

MAX_NAME_BYTES: Final = 120


def make_data_set(photos_dir: Path, name: str) -> Path:
    """Creates an empty folder for photos; if the name is taken, a number is added to it."""
    base_name = name_of(f"/{name.strip() or 'photos'}")
    names = (base_name if number == 1 else f"{base_name}-{number}" for number in range(1, 10_000))
    folder = next(photos_dir / candidate for candidate in names if not (photos_dir / candidate).exists())
    folder.mkdir(parents=True)
    return folder


def unpack(source: Path, photos_dir: Path, workers: Workers) -> Path:
    """Unpacks an archive into a new data set in a worker process; returns the folder that contains the class folders.

    Raises:
        StudioError: the archive is damaged or a decompression bomb, or contains paths that lead outside the new folder.
    """
    folder = make_data_set(photos_dir, archive.stem(source.name))
    try:
        subject, seconds = f"The archive {source.name}", seconds_to_unpack(source)
        answer = workers.ask(
            "unpack", subject, seconds=seconds, archive=str(source.absolute()), folder=str(folder.absolute())
        )
    except BaseException:
        for remains in (folder, *photos_dir.glob(f".{folder.name}.partial-*")):
            shutil.rmtree(remains, ignore_errors=True)
        raise
    while len(inner := [path for path in folder.iterdir() if not path.name.startswith((".", "__MACOSX"))]) == 1:
        if not inner[0].is_dir():
            break
        folder = inner[0]
    if any(answer.value.values()):
        write_file(folder / UNPACK_NOTE, json.dumps(answer.value).encode())
    return folder


def make_class(folder: Path, name: str) -> Path:
    """Creates the folder of a new class.

    Raises:
        StudioError: the name is invalid or taken.
    """
    name = check_class_name(name)
    existing_name = next((path.name for path in folder.iterdir() if path.name.casefold() == name.casefold()), None)
    if existing_name is not None:
        raise StudioError(
            f"Class names must be unique; {existing_name!r} already exists. Add the photos to it, or use another name.",
            409,
        )
    path = within(folder, name)
    path.mkdir()
    return path


def check_class_name(name: str) -> str:
    """Normalizes and checks the name of a class.

    Raises:
        StudioError: the name is invalid.
    """
    name = unicodedata.normalize("NFC", name.strip())
    if not name or name.startswith(".") or set(name) & set("/\\") or printable(name) != name or is_tool_file(name):
        raise StudioError(
            "A class name must not be empty, start with a dot, contain slashes or control characters, or be reserved "
            f"by a tool such as git; found {name[:80]!r}."
        )
    if len(name.encode()) > MAX_NAME_BYTES:
        raise StudioError(f"A class name may have at most {MAX_NAME_BYTES} bytes; this one has {len(name.encode())}.")
    return name


def rename_class(folder: Path, old_name: str, new_name: str) -> Path:
    """Renames a class.

    Raises:
        StudioError: there is no such class, or the new name is invalid or taken.
    """
    old = class_folder(folder, old_name)
    if old_name.casefold() == new_name.strip().casefold():
        return old.rename(within(folder, new_name.strip()))
    new = make_class(folder, new_name)
    new.rmdir()
    return old.rename(new)


def remove_class(folder: Path, name: str) -> None:
    """Removes a class and its photos, which are copies that belong to the studio."""
    shutil.rmtree(class_folder(folder, name))


def class_folder(folder: Path, name: str) -> Path:
    """Finds the folder of a class.

    Raises:
        StudioError: there is no such class.
    """
    try:
        path = within(folder, name)
    except UnsafeNameError:
        path = folder
    if path.parent != folder or not path.is_dir():
        raise StudioError(f"There is no class {name[:80]!r} in {folder.name}.", 404)
    return path


def file_name(name: str) -> str:
    """The name under which an uploaded file is stored: its original name, without invalid parts."""
    plain = unicodedata.normalize("NFC", name).replace("\\", "/").rsplit("/", 1)[-1]
    plain = "".join(char if char.isprintable() else "_" for char in plain).lstrip(".").strip()
    plain = f"{plain}.photo" if is_tool_file(plain) else plain
    stem, dot, suffix = plain.rpartition(".")
    while len(plain.encode()) > MAX_NAME_BYTES and dot:
        stem = stem[:-1]
        plain = f"{stem}.{suffix}"
    return plain.encode()[:MAX_NAME_BYTES].decode(errors="ignore") or "photo"
