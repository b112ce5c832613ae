"""Reads a Parquet table once to learn whether it stays within its budget: a page of some bytes may hold gigabytes.

Run by `check_parquet` as a process of its own, whose memory is bounded.
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
    """What a table may cost."""
    return Budget(
        f"The table {path}",
        "Use one with fewer rows or shorter texts.",
        max_bytes=MAX_BYTES,
        max_members=MAX_ROWS,
        max_memory_bytes=MEMORY_BYTES,
        members="rows",
    )


def check_parquet(path: Path) -> None:
    """Reads a table in a bounded process.

    Raises:
        OSError: it is not a regular file.
        DataError: it is no Parquet table, or costs more than it may.
    """
    open_regular(path).close()  # a pipe would let the process wait
    run_bounded(
        "components.preprocess.sources.readers.parquet", [str(path.absolute())], table_budget(path), seconds=SECONDS
    )


def measure_parquet(path: Path) -> None:
    """Reads a table piece by piece, and counts what its texts would take.

    Raises:
        DataError: as `check_parquet`.
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
        # Equal texts stay together as a dictionary, so that nothing is repeated before it is counted.
        with pq.ParquetFile(path, memory_map=False, read_dictionary=texts) as file:
            for batch in file.iter_batches(ROWS_AT_ONCE):
                num_rows += len(batch)
                if num_rows > MAX_ROWS:
                    raise budget.limit_error(f"contain at most {MAX_ROWS:,} rows", "it contains more")
                budget.spend(sum(map(_num_bytes, batch.columns)))
    except (OSError, ValueError) as error:  # Arrow's own errors are ValueErrors
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise DataError(f"The table {path} must be a readable Parquet file; it is not: {reason}.") from None


def _num_bytes(column: "pa.Array") -> int:
    """What a column takes where each of its texts stands alone."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    lengths = pc.take(pc.binary_length(column.dictionary), column.indices)
    return int(pc.sum(pc.cast(lengths, pa.int64())).as_py() or 0) + 8 * len(column)


def main(path: Path) -> int:
    """Bounds the memory, then reads the table."""
    import pyarrow  # noqa: F401 before the limit: what loading it takes is no fault of the table

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
    print(refusal)  # noqa: T201 - the process that started this one reads it
    return USER_ERROR


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
