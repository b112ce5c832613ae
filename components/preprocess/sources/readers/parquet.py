"""Checks that a Parquet table is within its budget, by reading it once: a page of a few bytes may expand to gigabytes.

`check_parquet` runs this module in a separate process with limited memory.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from components.contract.errors import DataError
from components.contract.foreign.bounded import limit_memory, run_bounded
from components.contract.system.budget import Budget, open_regular
from components.contract.system.posix import USER_ERROR

if TYPE_CHECKING:
    import pyarrow as pa

MAX_BYTES: Final = 2**29
MAX_ROWS: Final = 3_000_000
MAX_COLUMNS: Final = 1_000
ROWS_AT_ONCE: Final = 10_000
MEMORY_BYTES: Final = 3 * 2**30
SECONDS: Final = 120.0


def table_budget(path: Path) -> Budget:
    """The budget for a table."""
    return Budget(
        f"The table {path}",
        "Use a table with fewer rows or shorter cells.",
        max_bytes=MAX_BYTES,
        max_members=MAX_ROWS,
        max_memory_bytes=MEMORY_BYTES,
        members="rows",
    )


def check_parquet(path: Path) -> None:
    """Checks a table in a separate process with limited memory.

    Raises:
        OSError: the file is not a regular file.
        DataError: the file is not a Parquet table, or exceeds its budget.
    """
    open_regular(path).close()  # otherwise, the process would block on a pipe
    run_bounded(
        "components.preprocess.sources.readers.parquet", [str(path.absolute())], table_budget(path), seconds=SECONDS
    )


def measure_parquet(path: Path) -> None:
    """Reads a table in batches, and checks the memory that the whole table would need.

    Raises:
        DataError: as in `check_parquet`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    budget = table_budget(path)
    try:
        with pq.ParquetFile(path, memory_map=False) as file:
            num_columns = file.metadata.num_columns
            if num_columns > MAX_COLUMNS:
                raise budget.limit_error(f"have at most {MAX_COLUMNS:,} columns", f"it has {num_columns:,}")
            budget.spend(num_members=file.metadata.num_rows)
            texts = [field.name for field in file.schema_arrow if pa.types.is_string(field.type)]
        num_rows = 0
        # Strings are read as dictionary arrays, so that repeated strings are not expanded in memory.
        with pq.ParquetFile(path, memory_map=False, read_dictionary=texts) as file:
            for batch in file.iter_batches(ROWS_AT_ONCE):
                num_rows += len(batch)
                if num_rows > MAX_ROWS:
                    raise budget.limit_error(f"contain at most {MAX_ROWS:,} rows", "it contains more")
                budget.spend(sum(map(_num_bytes, batch.columns)))
    except (OSError, ValueError) as error:  # Arrow's own errors are ValueErrors
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise DataError(f"The table {path} cannot be read as a Parquet file: {reason}.") from None


def _num_bytes(column: "pa.Array") -> int:
    """The memory that a column needs without dictionary encoding."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    lengths = pc.take(pc.binary_length(column.dictionary), column.indices)
    return int(pc.sum(pc.cast(lengths, pa.int64())).as_py() or 0) + 8 * len(column)


def main(path: Path) -> int:
    """Limits the memory, then reads the table."""
    import pyarrow  # noqa: F401 - imported before the limit, since its own memory does not count

    limit_memory(MEMORY_BYTES)
    try:
        measure_parquet(path)
    except DataError as error:
        refusal = str(error)
    except MemoryError:
        refusal = str(
            table_budget(path).limit_error(f"be read in {MEMORY_BYTES / 1e6:,.0f} MB of memory", "it needs more")
        )
    else:
        return 0
    print(refusal)  # noqa: T201 - the parent process reads it
    return USER_ERROR


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
