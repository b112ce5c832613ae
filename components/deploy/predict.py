"""Classifies files on this machine without a server, in batches, with the service's decoder and graph."""

import csv
import io
import itertools
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO, TypedDict

from components.contract.errors import ArtifactError, DataError, ImageError
from components.contract.image.decode import MAX_BYTES
from components.contract.system.atomic_files import write_file
from components.contract.system.budget import read_regular
from components.contract.system.disk_space import free_text
from components.contract.system.progress import Progress
from components.contract.text import csv_cell, printable

if TYPE_CHECKING:
    import numpy as np

    from components.contract.image.decoding_cost import DecodeCost
    from components.deploy.service.classifier import Classifier

log = logging.getLogger(__name__)

BATCH_SIZE = 32
COLUMNS = ("path", "label", "confidence", "abstained", "unfamiliar", "error")
MAX_DECODE_BYTES: Final = 2**30
"""The maximum memory for photos that are decoded at the same time; a photo that needs more is decoded alone."""


class FaultRow(TypedDict):
    """The reason why a file has no prediction."""

    code: str
    message: str


class Row(TypedDict):
    """The result for one file; if there is an `error`, all values except the path are None."""

    path: str
    label: str | None
    confidence: float | None
    abstained: bool | None
    unfamiliar: float | None
    """As in the service's answer; None if there is an error, or evaluation did not measure it."""
    error: FaultRow | None
    probabilities: dict[str, float] | None
    """By class name, the most probable first."""


def predict_files(bento_dir: Path, paths: Sequence[Path]) -> Iterator[Row]:
    """Classifies photos and all files in folders; yields one row per file, in order, batch by batch.

    Args:
        bento_dir: contains deployment.json and bento/; only bento/ is required.
        paths: files and folders.

    Raises:
        DataError: a path does not exist, or there are no files; raised before the first row.
        ArtifactError: the bento is missing or damaged.
    """
    from components.deploy.service.classifier import Classifier

    files = find_files(paths)
    return predict_photos(Classifier(bento_dir / "bento" / "src"), files)


def find_files(paths: Sequence[Path]) -> list[Path]:
    """Lists the files in `paths` and in the folders among them, sorted within each folder, without hidden files.

    Raises:
        DataError: a path does not exist, or there are no files.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files_below = (file for file in path.rglob("*") if file.is_file())
            files += sorted(file for file in files_below if not _is_hidden(file.relative_to(path)))
        elif path.exists():
            files.append(path)
        else:
            raise DataError(f"No photo or folder of photos exists at {path}.")
    if not files:
        raise DataError(f"There are no photos to classify: no files were found in {', '.join(map(str, paths))}.")
    return files


def write_csv(rows: Iterable[Row], output: Path | None, *, overwrite: bool = False) -> None:
    """Writes the predictions as a CSV table.

    The columns are path, label, confidence, abstained, unfamiliar, error, and `probability_<class>` for each class in
    alphabetical order.

    Args:
        rows: from `predict_files`.
        output: the file to write, which appears only once it is complete; None for standard output.
        overwrite: whether an existing file is replaced.

    Raises:
        ArtifactError: the file exists, or cannot be written.
    """
    if output is None:
        _write_table(rows, sys.stdout, cell=lambda text: printable(csv_cell(text)))
        return
    if output.is_dir() or (output.exists() and not overwrite):
        overwrite_hint = "" if output.is_dir() else ", or replace it with --overwrite"
        raise ArtifactError(
            f"The table must be a new file, but {output} exists. Choose a new one with --output{overwrite_hint}."
        )
    table = io.StringIO()
    num_rows, num_errors = _write_table(rows, table)
    try:
        write_file(output, table.getvalue().encode("utf-8"))
    except OSError as error:
        raise ArtifactError(f"Cannot write the table {output}: {error}{free_text(output.parent)}.") from None
    log.info("Rows: %d, written to %s. Files that could not be classified: %d.", num_rows, output, num_errors)


def _write_table(rows: Iterable[Row], file: TextIO, cell: Callable[[str], str] = csv_cell) -> tuple[int, int]:
    rows = iter(rows)
    # The columns are known from the first row with probabilities, so earlier rows are collected first.
    first_rows = list(_until_first_prediction(rows))
    class_names = sorted(first_rows[-1]["probabilities"] or ()) if first_rows else []
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*COLUMNS, *(cell(f"probability_{name}") for name in class_names)])
    num_rows = num_errors = 0
    for row in itertools.chain(first_rows, rows):
        probabilities = row["probabilities"] or {}
        error = f"{row['error']['code']}: {row['error']['message']}" if row["error"] else None
        writer.writerow(
            [
                cell(row["path"]),
                cell(row["label"] or ""),
                row["confidence"],
                row["abstained"],
                row["unfamiliar"],
                error and cell(error),
                *(probabilities.get(name) for name in class_names),
            ]
        )
        num_rows += 1
        num_errors += error is not None
    return num_rows, num_errors


def _until_first_prediction(rows: Iterator[Row]) -> Iterator[Row]:
    for row in rows:
        yield row
        if row["probabilities"] is not None:
            return


def predict_photos(classifier: "Classifier", files: Sequence[Path | bytes]) -> Iterator[Row]:
    """Classifies photos; yields one row per photo, in order, batch by batch.

    Args:
        classifier: the loaded model.
        files: the path or the content of each file; the rows for contents have an empty path.
    """
    progress = Progress(len(files), "files")
    num_done = 0
    memory = _Memory()
    clipped_files: list[Path | bytes] = []
    with ThreadPoolExecutor(os.cpu_count(), "decode") as decoders:
        batches = [files[start : start + BATCH_SIZE] for start in range(0, len(files), BATCH_SIZE)]
        # The next batch is decoded while the current one is classified.
        next_photos = _submit(decoders, classifier, memory, batches[0], clipped_files)
        for batch, next_batch in itertools.zip_longest(batches, batches[1:], fillvalue=()):
            photos, next_photos = next_photos, _submit(decoders, classifier, memory, next_batch, clipped_files)
            yield from _classify(classifier, batch, photos)
            num_done += len(batch)
            progress.report(num_done)
    if clipped_files:
        log.warning(
            "Values were clipped in %d of %d files, because values of 16-bit photos were outside the model's pixel "
            "range, %d to %d; for example, in %s.",
            len(clipped_files),
            len(files),
            *classifier.facts.pixel_range,
            printable(min(map(_path_text, clipped_files)) or "one of them"),
        )


def _submit(
    decoders: ThreadPoolExecutor,
    classifier: "Classifier",
    memory: "_Memory",
    files: Sequence[Path | bytes],
    clipped_files: list[Path | bytes],
) -> "list[Future[np.ndarray | ImageError]]":
    return [decoders.submit(_decode, classifier, memory, file, clipped_files) for file in files]


class _Memory:
    """Limits the memory for the photos that are decoded at the same time."""

    def __init__(self) -> None:
        self._num_bytes = 0
        self._condition = threading.Condition()

    def acquire(self, num_bytes: int) -> None:
        """Waits until enough memory is free, or nothing else is being decoded; then reserves the memory."""
        with self._condition:
            self._condition.wait_for(lambda: not self._num_bytes or self._num_bytes + num_bytes <= MAX_DECODE_BYTES)
            self._num_bytes += num_bytes

    def release(self, num_bytes: int) -> None:
        with self._condition:
            self._num_bytes -= num_bytes
            self._condition.notify_all()


def _decode(
    classifier: "Classifier", memory: _Memory, file: Path | bytes, clipped_files: list[Path | bytes]
) -> "np.ndarray | ImageError":
    num_bytes = 0

    def admit(cost: "DecodeCost") -> None:
        nonlocal num_bytes
        memory.acquire(cost.num_bytes)
        num_bytes = cost.num_bytes

    try:
        photo = classifier.open(file if isinstance(file, bytes) else read_regular(file, MAX_BYTES), admit)
    except ImageError as error:
        return error
    except OSError as error:
        return ImageError("unreadable", f"The file cannot be read: {error.strerror}.")
    finally:
        memory.release(num_bytes)
    if photo.clipped_share:
        clipped_files.append(file)
    return photo.pixels


def _classify(
    classifier: "Classifier", files: Sequence[Path | bytes], futures: "Sequence[Future[np.ndarray | ImageError]]"
) -> Iterator[Row]:
    import numpy as np

    results = [future.result() for future in futures]
    photos = [pixels for pixels in results if not isinstance(pixels, ImageError)]
    findings = iter(classifier.examine(np.stack(photos)) if photos else ())
    for file, pixels in zip(files, results, strict=True):
        try:
            if isinstance(pixels, ImageError):
                raise pixels
            finding = next(findings)
            ranking = classifier.rank_classes(finding.probabilities)
        except ImageError as error:
            fault: FaultRow = {"code": error.code, "message": str(error)}
            yield Row(
                path=_path_text(file),
                label=None,
                confidence=None,
                abstained=None,
                unfamiliar=None,
                error=fault,
                probabilities=None,
            )
        else:
            label, confidence = ranking[0]
            yield Row(
                path=_path_text(file),
                label=label,
                confidence=confidence,
                abstained=classifier.abstains(finding.probabilities),
                unfamiliar=finding.unfamiliar,
                error=None,
                probabilities=dict(ranking),
            )


def _path_text(path: Path | bytes) -> str:
    r"""The path as printable text, with bytes that are not UTF-8 as \xNN; empty for the content of a file."""
    return "" if isinstance(path, bytes) else os.fsencode(path).decode("utf-8", "backslashreplace")


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
