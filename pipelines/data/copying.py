"""Copies data from outside the repository into it."""

import contextlib
import filecmp
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from components.contract.errors import DataError
from components.contract.foreign import archive
from components.contract.system.atomic_files import remove_remains, scratch_folder
from pipelines.data.repository import committed_text


def name_copy(source: Path, folder: Path, name: str | None) -> Path:
    """Returns the path, in a folder of the repository, to which a data folder or an archive is copied.

    Raises:
        DataError: the name is not a valid file name.
    """
    suffix = source.name[len(archive.stem(source.name)) :] if source.is_file() else ""
    target = folder / f"{name or archive.stem(source.name)}{suffix}"
    if target.parent != folder or target.name.startswith(".") or not target.name:
        raise DataError(f"A name must be a valid file name without slashes; found {name or source.name!r}.")
    return target


@contextlib.contextmanager
def copy_data(root: Path, source: Path, target: Path) -> Iterator[None]:
    """Copies a folder or an archive into the repository; if the block fails, the copy is removed.

    Raises:
        DataError: the name is already used, or the data cannot be copied.
    """
    remove_remains(target)
    is_version = bool(committed_text(root, f"{target.relative_to(root)}.dvc"))
    if not is_version and target.exists() and _is_copy(source, target):
        pass  # the copy was made by an earlier call that was interrupted
    elif target.exists() or target.with_name(f"{target.name}.dvc").exists():
        raise DataError(
            f"{target} already exists. Choose another name with --name. To add a new version of it, change "
            f"the photos in it and run: darkroom data add {os.path.relpath(target)}"
        )
    else:
        try:
            with scratch_folder(target) as scratch:
                partial = scratch / target.name
                shutil.copytree(source, partial) if source.is_dir() else shutil.copy2(source, partial)
                partial.rename(target)
        except OSError as error:
            raise _copy_error(source, target.parent, error) from None
    try:
        yield
    except BaseException:
        shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)
        raise


def _copy_error(source: Path, folder: Path, error: OSError) -> DataError:
    """Creates the error for data that cannot be copied, with the first reason, and the required and the free space."""
    reason = error.args[0][0][2] if isinstance(error, shutil.Error) else error
    files = source.rglob("*") if source.is_dir() else [source]
    needed = sum(path.stat().st_size for path in files if path.is_file())
    return DataError(
        f"Cannot copy the data to {folder}: {reason}. It needs {needed / 1e6:,.1f} MB; "
        f"{shutil.disk_usage(folder if folder.exists() else folder.parent).free / 1e6:,.1f} MB are free."
    )


def _is_copy(source: Path, target: Path) -> bool:
    """Whether source and target contain the same files, compared by size and time or, if these differ, by content."""
    if source.is_file():
        return target.is_file() and filecmp.cmp(source, target)
    names = _list_files(source)
    return names == _list_files(target) and all(filecmp.cmp(source / name, target / name) for name in names)


def _list_files(folder: Path) -> list[str]:
    return sorted(
        os.path.relpath(os.path.join(parent, name), folder)  # noqa: PTH118 - fast enough for many thousands of files
        for parent, _, names in os.walk(folder, followlinks=True)
        for name in names
    )
