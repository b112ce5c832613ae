"""Unpacks Parquet tables with photos, such as Hugging Face's: each row has `{bytes, path}` and a label.

The photos are written to files, next to a table of labels. `unpack_photos` runs this module in a separate process with
limited memory.
"""

import csv
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from components.contract.artifacts.dataset import SplitName
from components.contract.errors import DarkroomError, DataError
from components.contract.foreign.archive import MAX_RATIO, SMALL_BYTES, SPARE_BYTES
from components.contract.foreign.bounded import limit_memory, run_bounded
from components.contract.foreign.confinement import UnsafeNameError, within
from components.contract.params.data import ColumnNames
from components.contract.params.pipeline import dump_section, parse_section
from components.contract.system.budget import Budget, open_regular
from components.contract.system.posix import USER_ERROR
from components.preprocess.sources.file_index import PHOTO_SUFFIXES
from components.preprocess.sources.readers.columns import find_columns
from components.preprocess.sources.readers.parquet import MEMORY_BYTES
from components.preprocess.sources.readers.table import find_class_names, name_classes

if TYPE_CHECKING:
    import pyarrow as pa

LABELS_FILE: Final = "labels.csv"
ROWS_AT_ONCE: Final = 32
SECONDS: Final = 7200.0


def unpack_photos(
    path: Path, target: Path, name: str, split: SplitName | None, columns: ColumnNames, max_photos: int | None = None
) -> None:
    """Writes a table's photos to a folder, and their labels to LABELS_FILE there; does nothing if there are no photos.

    Args:
        path: the path of the table.
        target: the folder.
        name: the path of the table relative to the data; it becomes part of the names of the photos.
        split: the split of all photos in the table; None if they have none.
        columns: the column names that the user set.
        max_photos: the number of photos after which to stop; None to write all photos.

    Raises:
        OSError: the file is not a regular file.
        DataError: the file is not a Parquet table, has no column of labels, or exceeds its budget.
    """
    open_regular(path).close()  # otherwise, the process would block on a pipe
    arguments = [str(path.absolute()), str(target.absolute()), name, split or "", dump_section(columns)]
    run_bounded(
        "components.preprocess.sources.readers.parquet_photos",
        [*arguments, str(max_photos or 0)],
        _budget(path, target),
        seconds=SECONDS,
    )


def write_photos(path: Path, target: Path, name: str, split: str, columns: ColumnNames, max_photos: int) -> None:
    """Does the work of `unpack_photos` in this process."""
    import pyarrow.parquet as pq

    budget = _budget(path, target)
    try:
        with pq.ParquetFile(path, memory_map=False) as file:
            schema = file.schema_arrow
            photo_column = _find_photo_column(schema)
            if photo_column is None:
                return
            label_column = _find_label_column(path, schema, photo_column, columns)
            class_names = find_class_names(schema).get(label_column)
            folder = within(target, str(PurePosixPath(name).with_suffix("")))
            folder.mkdir(parents=True)
            number = 0
            rows: list[tuple[str, str | None, str]] = []
            for batch in file.iter_batches(ROWS_AT_ONCE, columns=[photo_column, label_column]):
                photos, labels = (batch.column(column).to_pylist() for column in (photo_column, label_column))
                for photo, label in zip(photos, name_classes(labels, class_names), strict=True):
                    content, photo_name = _read_photo(photo, number)
                    budget.spend(len(content), num_members=1)
                    (folder / photo_name).write_bytes(content)
                    rows.append(((folder / photo_name).relative_to(target).as_posix(), label, split))
                    number += 1
                if max_photos and number >= max_photos:
                    break
    except UnsafeNameError as reason:
        raise DataError(f"A table name must be a valid folder name; {name!r} {reason}.") from None
    except (OSError, ValueError) as error:  # Arrow's own errors are ValueErrors
        reason_text = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise DataError(f"The table {path} cannot be read as a Parquet file: {reason_text}.") from None
    _write_rows(target / LABELS_FILE, rows)


def _budget(path: Path, target: Path) -> Budget:
    free_bytes = shutil.disk_usage(target).free - SPARE_BYTES
    return Budget(
        f"The table {path}",
        "Split it up, or pass its photos as files.",
        max_bytes=max(0, min(free_bytes, max(SMALL_BYTES, MAX_RATIO * path.stat().st_size))),
        max_memory_bytes=MEMORY_BYTES,
        members="photos",
    )


def _find_photo_column(schema: "pa.Schema") -> str | None:
    """The column with photos: bytes, or structs with a field `bytes`; None if there is none."""
    import pyarrow as pa

    for field in schema:
        kind = field.type
        if pa.types.is_struct(kind) and "bytes" in [kind.field(place).name for place in range(kind.num_fields)]:
            kind = kind.field("bytes").type
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            return str(field.name)
    return None


def _find_label_column(path: Path, schema: "pa.Schema", photo_column: str, columns: ColumnNames) -> str:
    names = [name for name in schema.names if name != photo_column]
    wanted = columns.model_copy(update={"path": None})
    place = find_columns(names, wanted, f"The table {path}").get("label")
    class_names = find_class_names(schema)
    if place is None and len(class_names) == 1:
        return next(iter(class_names))
    if place is None:
        content = ", ".join(names) or "no column"
        raise DataError(
            f"The table {path} must have a column of labels, such as label or class; besides the photos in "
            f"{photo_column}, it has {content}. Set the column: --set data.columns.label=NAME"
        )
    return str(names[place])


def _read_photo(value: Any, number: int) -> tuple[bytes, str]:
    """The bytes of a photo, and a name for its file: its number, followed by its original name if that is safe."""
    content, own_path = (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (value, None)
    own_name = PurePosixPath(str(own_path or "").replace("\\", "/")).name
    is_plain = own_name.isascii() and own_name.replace(".", "").replace("-", "").replace("_", "").isalnum()
    if not (is_plain and len(own_name) < 100 and own_name.lower().endswith(PHOTO_SUFFIXES)):
        own_name = "photo"
    return content if isinstance(content, bytes) else b"", f"{number:06d}-{own_name}"


def _write_rows(path: Path, rows: Sequence[tuple[str, str | None, str]]) -> None:
    is_new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        if is_new:
            writer.writerow(("path", "label", "split"))
        writer.writerows(rows)


def main(path: str, target: str, name: str, split: str, columns: str, max_photos: str) -> int:
    """Limits the memory, then writes the photos."""
    import pyarrow  # noqa: F401 - imported before the limit, since its own memory does not count

    limit_memory(MEMORY_BYTES)
    try:
        write_photos(Path(path), Path(target), name, split, parse_section(ColumnNames, columns), int(max_photos))
    except DarkroomError as error:
        refusal = str(error)
    except MemoryError:
        refusal = str(
            _budget(Path(path), Path(target)).limit_error(
                f"be read in {MEMORY_BYTES / 1e6:,.0f} MB of memory", "it needs more"
            )
        )
    else:
        return 0
    print(refusal)  # noqa: T201 - the parent process reads it
    return USER_ERROR


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
