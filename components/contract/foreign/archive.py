"""The only module that unpacks archives: zip, tar, tar.gz, tar.bz2 and tar.xz.

No metadata in an archive is trusted. Names are checked before a file is created. Bytes are counted while they are
unpacked, because the sizes in headers may be wrong. Links, devices and encrypted files are rejected; permissions and
owners are ignored. An archive is read as a stream, never loaded as a whole, and all its content counts against one
budget.
"""

import itertools
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from components.contract.errors import ArchiveError
from components.contract.foreign.archive_member import Member, explain_damage
from components.contract.foreign.confinement import UnsafeNameError, checked_name, is_tool_file, within
from components.contract.foreign.tar_reader import walk_tar
from components.contract.foreign.zip_reader import walk_zip
from components.contract.system.atomic_files import new_folder
from components.contract.system.budget import MAX_MEMBERS, Budget, PacedFile, open_regular
from components.contract.system.progress import Progress

log = logging.getLogger(__name__)

SUFFIXES: Final = (".tar.bz2", ".tar.gz", ".tar.xz", ".tar", ".tbz2", ".tgz", ".txz", ".zip")

MAX_SKIPPED: Final = 10_000
"""The maximum number of skipped files and folders whose names are recorded."""
SMALL_BYTES: Final = 2**30
MAX_RATIO: Final = 200
"""The maximum ratio of the unpacked size to the size of the archive; SMALL_BYTES are always allowed. Photos can hardly
be compressed; plain scans can be compressed by a factor of ten; a zip bomb expands by a factor of a thousand."""

MAX_NAME_BYTES: Final = 4096
MAX_NAME_DEPTH: Final = 64

SPARE_BYTES: Final = 500 * 10**6
"""The disk space that is kept free, so that other programs can still write."""


def is_archive(path: Path) -> bool:
    """Whether the file has the suffix of an archive."""
    return path.name.lower().endswith(SUFFIXES)


def stem(name: str) -> str:
    """A file's name without the suffix of an archive: `photos` for `photos.tar.gz`."""
    suffix = next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(suffix)]


def extract(
    archive: Path,
    target: Path,
    skipped: set[str] | None = None,
    *,
    zip_encoding: str | None = None,
    notices: list[str] | None = None,
) -> int:
    """Unpacks an archive into a new folder, which appears completely or not at all.

    Args:
        archive: a zip or tar.
        target: the new folder.
        skipped: receives the names of files and folders of git, DVC and other tools, which are not unpacked.
        zip_encoding: the encoding of names in a zip that are not marked as Unicode; None to detect it.
        notices: receives messages for the user about the names.

    Returns:
        The number of files.

    Raises:
        ArchiveError: the archive is damaged, of an unknown kind or too large, or has a member that is not a regular
            file or folder, or whose path leads out of the folder; nothing is left behind.
    """
    with new_folder(target) as folder:
        try:
            room_bytes = shutil.disk_usage(folder).free - SPARE_BYTES
            checked_members = members(archive, room_bytes, skipped, zip_encoding=zip_encoding, notices=notices)
            return _unpack(archive, folder, checked_members)
        except OSError as error:
            raise ArchiveError(
                f"Cannot unpack the archive {archive} into {target.parent}: {error.strerror or error}."
            ) from None


def _unpack(archive: Path, folder: Path, checked_members: Iterator[Member]) -> int:
    num_files, progress = 0, Progress()
    places: dict[str, Path] = {}
    for member in checked_members:
        parent, _, last = member.name.rpartition("/")
        if parent not in places:
            places[parent] = within(folder, member.name).parent
        path = places[parent] / last
        if member.chunks is None:
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            for chunk in member.chunks():
                file.write(chunk)
        num_files += 1
        if progress.is_due():
            log.info("Unpacking %s: %s files so far.", archive.name, f"{num_files:,}")
    return num_files


def members(
    archive: Path,
    room_bytes: int | None = None,
    skipped: set[str] | None = None,
    *,
    zip_encoding: str | None = None,
    notices: list[str] | None = None,
) -> Iterator[Member]:
    """Checks and yields the members of an archive, one after another.

    Args:
        archive: a zip or tar.
        room_bytes: the available disk space; None if the content is not kept.
        skipped: as in `extract`.
        zip_encoding: as in `extract`.
        notices: as in `extract`.

    Raises:
        ArchiveError: as in `extract`, as soon as the problem is found.
    """
    with explain_damage(archive):
        budget = _budget(archive, archive.stat().st_size, room_bytes)
    file_names: set[str] = set()
    folders: set[str] = set()
    for member in _walk(archive, budget, zip_encoding, notices):
        budget.spend(num_members=1, memory_bytes=200)
        _check_length(member.name, budget)
        name = _checked(member.name, archive)
        if not name:
            continue  # the root folder, such as `./`
        num_before = len(folders)
        folders.update(itertools.accumulate(name.split("/")[:-1], "{}/{}".format))
        new_folders = len(folders) - num_before
        if len(folders) > MAX_MEMBERS:
            raise budget.limit_error(f"contain at most {MAX_MEMBERS:,} folders", "it contains more")
        budget.spend(memory_bytes=(1 + new_folders) * len(name))
        tool = next((depth for depth, part in enumerate(name.split("/")) if is_tool_file(part)), None)
        if tool is not None:
            if skipped is not None and len(skipped) < MAX_SKIPPED:
                skipped.add("/".join(name.split("/")[: tool + 1]))
            continue
        if member.chunks is not None:
            if name in file_names:
                raise ArchiveError(
                    f"An archive must contain each file only once; {archive} contains {name!r} twice. Create "
                    "the archive again."
                )
            file_names.add(name)
        yield Member(name, member.chunks)


def _budget(archive: Path, num_bytes: int, room_bytes: int | None) -> Budget:
    """The budget for unpacking an archive that has `num_bytes`."""
    advice = "If you trust it, unpack it yourself and pass the folder."
    max_bytes, basis = max(SMALL_BYTES, MAX_RATIO * num_bytes), f", {MAX_RATIO} times its size"
    if max_bytes == SMALL_BYTES:
        basis += f" or {SMALL_BYTES / 1e9:.1f} GB"
    if room_bytes is not None and room_bytes < max_bytes:
        max_bytes, basis = max(0, room_bytes), " when unpacked, because the disk has no more space"
        advice = "Free some disk space."
    return Budget(
        f"The archive {archive}", advice, max_bytes=max_bytes, max_members=MAX_MEMBERS, basis=basis, error=ArchiveError
    )


def _check_length(name: str, budget: Budget) -> None:
    if len(name.encode("utf-8", "surrogateescape")) > MAX_NAME_BYTES or name.count("/") >= MAX_NAME_DEPTH:
        raise budget.limit_error(
            f"have names of at most {MAX_NAME_BYTES:,} bytes and {MAX_NAME_DEPTH} folders", f"{name[:60]!r}… is longer"
        )


def _walk(
    archive: Path, budget: Budget, zip_encoding: str | None = None, notices: list[str] | None = None
) -> Iterator[Member]:
    with explain_damage(archive), open_regular(archive) as file:
        magic = file.read(6)
        file.seek(0)
        yield from (
            walk_zip(file, archive, budget, encoding=zip_encoding, notices=notices)
            if magic.startswith(b"PK")
            else walk_tar(PacedFile(file, budget), magic, archive, budget)
        )


def _checked(name: str, archive: Path) -> str:
    """The name without `.` parts and repeated slashes; "" for the root folder of the archive."""
    try:
        return "" if name.strip("/") == "." else checked_name(name)
    except UnsafeNameError as reason:
        raise ArchiveError(
            f"The archive {archive} must contain only valid file names inside its own folder; {name!r} "
            f"{reason}. The archive may be malicious; nothing was kept."
        ) from None
