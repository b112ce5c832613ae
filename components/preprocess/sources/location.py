"""Finds the data on this machine; data at an address is downloaded first."""

import re
from functools import partial
from pathlib import Path

from components.contract.errors import DataError
from components.contract.foreign import archive
from components.contract.foreign.confinement import allowed_roots, lies_within
from components.contract.params.data import ColumnNames
from components.preprocess.sources.readers.label_files import SUFFIXES as LABEL_SUFFIXES
from components.preprocess.sources.readers.label_files import is_label_file, list_referenced_files
from components.preprocess.sources.remote.addresses import is_remote
from components.preprocess.sources.remote.fetch import fetch


def locate(data: str, columns: ColumnNames | None = None) -> Path:
    """The path of the data; data at an address is downloaded first.

    Raises:
        DataError: the data does not exist, is of an unsupported kind, or cannot be reached.
    """
    if is_remote(data):
        list_referenced = partial(list_referenced_files, columns=columns)
        path = fetch(data, list_referenced if is_label_file(Path(re.split(r"[?#]", data)[0])) else None)
        if path.is_file() and not (archive.is_archive(path) or is_label_file(path)):
            raise DataError(f"The data must be a folder, an archive or a table; {data} is an unsupported file.")
        return path
    path = Path(data)
    roots = allowed_roots()
    if roots is not None and not lies_within(path, roots):
        raise DataError(f"The data must be in {', '.join(map(str, roots))}; {path} is elsewhere.")
    try:
        if path.is_dir() or (path.is_file() and (archive.is_archive(path) or is_label_file(path))):
            return path
        content = "an unsupported file" if path.exists() else "nothing"
    except OSError as error:
        content = f"something that cannot be read ({error.strerror})"
    raise DataError(
        "The data must be a folder of class folders, an archive of such a folder, or a label file (archives and label "
        f"files end in {', '.join((*archive.SUFFIXES, *LABEL_SUFFIXES))}); there is {content} at {path}."
    )
