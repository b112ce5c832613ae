"""Reads JSON Lines, one record per photo, such as Hugging Face's `metadata.jsonl` and Vertex AI's import files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from components.contract.errors import DataError
from components.contract.foreign.documents import DocumentError, parse_json
from components.contract.params.data import ColumnNames
from components.contract.system.budget import open_regular
from components.preprocess.sources.readers.columns import Cells, read_labels
from components.preprocess.sources.readers.label_rows import Labels, as_cell
from components.preprocess.sources.readers.parquet import MAX_COLUMNS, table_budget

SUFFIXES: Final = (".jsonl", ".ndjson")
MAX_LINE_BYTES: Final = 2**18
VERTEX_SPLIT: Final = "aiplatform.googleapis.com/ml_use"


def read_json_lines(path: Path, wanted: ColumnNames) -> Labels:
    """Reads the photos in a file of JSON Lines.

    Raises:
        DataError: the file is not JSON Lines, or a required key is missing.
    """
    subject = f"The file {path}"
    budget = table_budget(path)
    records: list[dict[str, str | None]] = []
    try:
        with open_regular(path) as file:
            while line := file.readline(MAX_LINE_BYTES + 1):
                if len(line) > MAX_LINE_BYTES:
                    raise budget.limit_error(f"have lines of at most {MAX_LINE_BYTES:,} bytes", "it has a longer line")
                budget.spend(len(line), num_members=1)
                if line.strip():
                    records.append(_read_record(parse_json(line.decode("utf-8-sig")), len(records) + 1))
    except (OSError, ValueError) as error:  # a DocumentError is a ValueError
        raise DataError(f"{subject} must have a JSON record in each line; found an error: {error}.") from None
    return read_records(subject, records, wanted)


def read_records(subject: str, records: list[dict[str, str | None]], wanted: ColumnNames) -> Labels:
    """Reads the photos in records; each key is a column.

    Raises:
        DataError: a required key is missing.
    """
    names = tuple(dict.fromkeys(name for record in records for name in record))
    if len(names) > MAX_COLUMNS:
        raise DataError(f"{subject} must have at most {MAX_COLUMNS:,} keys; it has {len(names):,}.")
    return read_labels(Cells(subject, names, [[record.get(name) for record in records] for name in names]), wanted)


def _read_record(record: Any, number: int) -> dict[str, str | None]:
    if not isinstance(record, dict):
        raise DocumentError(f"line {number} is not a record")
    if "imageGcsUri" in record:
        return _read_vertex(record)
    return {str(name): as_cell(value) for name, value in record.items()}


def _read_vertex(record: Mapping[str, Any]) -> dict[str, str | None]:
    annotations = record.get("classificationAnnotations") or [record.get("classificationAnnotation") or {}]
    labels = [annotation.get("displayName") for annotation in annotations if isinstance(annotation, dict)]
    resource_labels = record.get("dataItemResourceLabels")
    split = resource_labels.get(VERTEX_SPLIT) if isinstance(resource_labels, dict) else None
    return {
        "path": as_cell(record["imageGcsUri"]),
        "label": as_cell(labels if len(labels) > 1 else labels[0] if labels else None),
        "split": as_cell(split),
    }
