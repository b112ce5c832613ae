"""Parses a JSON document that contains labels, within size limits."""

from pathlib import Path
from typing import Any, Final

from components.contract.errors import DataError
from components.contract.foreign.documents import DocumentError, parse_json
from components.contract.system.budget import open_regular, read_regular

MAX_BYTES: Final = 2**27
MAX_VALUES: Final = 5_000_000


def first_sign(path: Path) -> str:
    """The first character of the document: `[` for a list, `{` for a mapping; `""` if it cannot be read."""
    try:
        with open_regular(path) as file:
            return file.read(4096).decode("utf-8-sig", "ignore").lstrip()[:1]
    except OSError:
        return ""


def read_document(path: Path) -> Any:
    """Reads and parses the document.

    Raises:
        DataError: the file is not JSON, or is too large.
    """
    try:
        content = read_regular(path, MAX_BYTES)
        if content.count(b",") + content.count(b"[") + content.count(b"{") + content.count(b":") > MAX_VALUES:
            raise DocumentError(f"it expands to more than {MAX_VALUES:,} values")
        return parse_json(content.decode("utf-8-sig"), max_values=2 * MAX_VALUES, max_characters=MAX_BYTES)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"The label file {path} cannot be read as JSON: {reason}.") from None
