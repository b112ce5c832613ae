"""The addresses of data: https://, s3://, gs:// and others, and dvc+<repository>@<revision>:<path>."""

import re
from pathlib import Path
from typing import Final

from components.contract.errors import DataError
from components.contract.foreign.confinement import UnsafeNameError, checked_name

DVC_URI: Final = re.compile(r"dvc\+(?P<repository>.+)@(?P<revision>[^@:]+):(?P<path>.+)")
SCHEMES: Final = ("https", "http", "s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "hf")
"""The allowed schemes. fsspec supports others that are unsafe, because they access this machine (file, local, memory),
chain other schemes (simplecache, zip) or interpret downloaded content (reference)."""


def is_remote(data: str) -> bool:
    """Whether `data` is an address, not a path."""
    return "://" in data or data.startswith("dvc+")


def repository_of(data: str) -> Path | None:
    """The repository in `dvc+<repository>@<revision>:<path>`, if it is on this machine; otherwise None."""
    match = DVC_URI.fullmatch(data)
    return None if match is None or "://" in match["repository"] else Path(match["repository"])


def require_harmless(uri: str) -> None:
    """Checks that an address can only lead to a server, or to the repository that it names.

    Raises:
        DataError: the scheme of the address is not supported, or a part of it could be read as an option or a command.
    """
    dvc = DVC_URI.fullmatch(uri)
    if uri.startswith("dvc+"):
        if dvc is None:
            raise DataError(
                f"The address of data under DVC must look like dvc+<repository>@<revision>:<path>; found {uri}."
            )
        _require_harmless_dvc(dvc["repository"], dvc["revision"], dvc["path"])
        return
    scheme = uri.partition("://")[0]
    if scheme not in SCHEMES or "::" in uri:
        schemes = ", ".join(f"{name}://" for name in SCHEMES)
        raise DataError(
            f"The address {uri} is not supported. An address must begin with {schemes} or dvc+. For files on "
            "this machine, pass the path."
        )


def _require_harmless_dvc(repository: str, revision: str, path: str) -> None:
    scheme = repository.partition("://")[0] if "://" in repository else None
    host = re.split(r"[/:]", repository.partition("://")[2] if scheme else repository)[0].rpartition("@")[2]
    if (
        repository.startswith("-")
        or host.startswith("-")
        or "::" in repository
        or scheme not in (None, "https", "http", "ssh", "git", "git+ssh")
    ):
        raise DataError(
            "A repository must be a folder on this machine, user@host:path, or an address that begins "
            f"with https://, http://, ssh:// or git://; found {repository[:200]!r}."
        )
    if not re.fullmatch(r"[\w.+/~^{}#-]+", revision) or revision.startswith("-") or ".." in revision:
        raise DataError(f"A revision must be a branch, a tag or a commit; found {revision[:200]!r}.")
    try:
        checked_name(path.strip("/"))
    except UnsafeNameError as reason:
        raise DataError(f"The path must be a file or folder in the repository; {path[:200]!r} {reason}.") from None
