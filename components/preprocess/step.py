"""The preprocess step: it prepares a data set from photos, which are decoded only once for all later steps."""

import hashlib
import json
import logging
import shlex
import statistics
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from components.contract.artifacts.dataset import FULL_RANGE, SPLITS, DatasetInfo, PixelRange, Source
from components.contract.errors import ArtifactError
from components.contract.params.data import ColumnNames
from components.contract.params.pipeline import PreprocessParams, dump_section
from components.contract.system.atomic_files import new_folder, write_json
from components.contract.text import printable
from components.contract.tracking.run import Run
from components.contract.tracking.step_run import step_run
from components.preprocess.examine import Examination, examine, refuse_failures
from components.preprocess.manifest import Record, count_reasons, summarize_rejected, write_manifest
from components.preprocess.parts.adoption import adopt_portions
from components.preprocess.parts.listing_file import read_listing
from components.preprocess.parts.work import open_listed
from components.preprocess.report.pages import PICTURES, write_report
from components.preprocess.shards import copy_golden, write_shards
from components.preprocess.sources.photo_set import PhotoSet
from components.preprocess.sources.provenance import find_origin
from components.preprocess.sources.remote.addresses import is_remote
from components.preprocess.sources.source import find_photos, name_of, open_data
from components.preprocess.store.pixel_cache import PixelStore, open_store

log = logging.getLogger(__name__)

SHOWN_REJECTIONS = 3
"""If at most this many files are rejected, each is logged; otherwise, the log summarizes them by reason."""


def preprocess(
    data: str,
    params: PreprocessParams,
    dataset_dir: Path,
    columns: ColumnNames | None = None,
    listing_dir: Path | None = None,
) -> DatasetInfo:
    """Prepares a data set.

    Args:
        data: the location of the photos, see components/preprocess/sources/source.py. The data is not changed.
        params: the section preprocess, in which no value is `auto`.
        dataset_dir: the folder of the data set, see components/contract/artifacts/dataset.py. An earlier data set is
            replaced when the new one is complete.
        columns: the column names that the user set for label files.
        listing_dir: the output of `list_photos`, if other tasks have read the photos; None if this task reads them.

    Raises:
        DataError: the photos cannot be used as a data set.
        AuditError: the audit has findings with the policy `fail`.
        ArchiveError: the archive cannot be unpacked.
        ArtifactError: dataset_dir cannot be written, or contains something other than a data set.
    """
    _require_place(dataset_dir, data)
    name = name_of(data)
    with step_run(experiment=name) as run, new_folder(dataset_dir) as folder:
        with (
            tempfile.TemporaryDirectory(dir=folder) as scratch,
            open_listed(data, params, listing_dir, Path(scratch), columns, is_part=False)
            if listing_dir is not None
            else open_data(data, Path(scratch), columns, zip_encoding=params.zip_code_page) as data_folder,
        ):
            listing = read_listing(listing_dir, data_folder) if listing_dir is not None else None
            photo_set = listing.photo_set if listing else find_photos(data_folder)
            with open_store(params.size, params.resize) as store:
                if listing is not None:
                    adopt_portions(listing, params, store)
                examination = examine(name, photo_set, params, store)
                refuse_failures(examination.info, f"To see them, run: darkroom audit {shlex.quote(data)}")
                _write(folder, photo_set, examination, params, store)
        all_records = [*examination.records, *photo_set.rejected]
        write_manifest(folder / "manifest.parquet", all_records)
        info = _describe(name, find_origin(data), photo_set.class_names, params, examination, all_records, run)
        write_json(folder / "dataset.json", info)
        _track(run, info, folder)
    _report(info, examination, all_records, dataset_dir)
    return info


def _require_place(dataset_dir: Path, data: str) -> None:
    """Checks that the output folder neither overlaps with the data nor contains anything but an earlier data set."""
    target, source = dataset_dir.resolve(), Path(data).resolve()
    if not is_remote(data) and (target.is_relative_to(source) or source.is_relative_to(target)):
        raise ArtifactError(
            f"The output folder and the folder of the photos must not contain each other; {dataset_dir} and "
            f"{data} overlap. Choose another output folder."
        )
    is_empty = not target.exists() or (target.is_dir() and not any(target.iterdir()))
    if not (is_empty or (target / "dataset.json").is_file()):
        raise ArtifactError(
            f"The output folder must be new, empty, or an earlier data set; {dataset_dir} contains something "
            "else. Choose another output folder."
        )


def _write(
    folder: Path, photo_set: PhotoSet, examination: Examination, params: PreprocessParams, store: PixelStore
) -> None:
    """Writes the shards, the report and the golden photos."""
    records = examination.records
    num_written = write_shards(folder, examination.scan, records, photo_set.class_names, params.size, store)
    log.info("Shards written: %d; the others are unchanged.", num_written)
    write_report(folder, examination)
    copy_golden(folder / "golden", photo_set.files, records, params.golden_photos)


def _describe(
    name: str,
    source: Source,
    class_names: Sequence[str],
    params: PreprocessParams,
    examination: Examination,
    records: Sequence[Record],
    run: Run,
) -> DatasetInfo:
    kept_records = [record for record in records if record.is_kept]
    counts = Counter((record.split, record.class_name) for record in kept_records)
    pixel_range = examination.scan.pixel_range
    return DatasetInfo(
        name=name,
        class_names=tuple(class_names),
        image_size=params.size,
        resize=params.resize,
        pixel_range=pixel_range,
        native_size=(
            round(statistics.median(record.native_height or 0 for record in kept_records)),
            round(statistics.median(record.native_width or 0 for record in kept_records)),
        ),
        mirror_pairs=examination.mirror_pairs,
        counts={split: {name: counts[split, name] for name in class_names} for split in SPLITS},
        rejected=count_reasons(records),
        fingerprint=fingerprint(kept_records, params, pixel_range),
        source=source,
        mlflow_run_id=run.run_id,
    )


def fingerprint(kept_records: Sequence[Record], params: PreprocessParams, pixel_range: PixelRange = FULL_RANGE) -> str:
    """The SHA-256 of the kept photos (content, class, split), the preprocess params and the pixel range.

    Neither the names nor the order of the files matter.
    """
    lines = sorted(json.dumps([record.sha256, record.class_name, record.split]) for record in kept_records)
    ranges = [] if pixel_range == FULL_RANGE else [json.dumps(pixel_range)]
    return hashlib.sha256("\n".join([dump_section(params), *ranges, *lines]).encode()).hexdigest()


def _track(run: Run, info: DatasetInfo, folder: Path) -> None:
    """Logs the data set to the MLflow run, with counts and samples."""
    if run.run_id is None:
        return
    counts = {split: info.num_images(split) for split in SPLITS} | {"rejected": info.num_rejected}
    profile = json.dumps({**counts, "classes": len(info.class_names)})
    run.log_dataset(
        name=info.name, digest=info.fingerprint, source=info.source.uri, context="training", profile=profile
    )
    run.log_params(
        {
            "dataset.name": info.name,
            "dataset.fingerprint": info.fingerprint,
            "dataset.dvc": str(info.source.dvc),
            "dataset.git_revision": str(info.source.git_revision),
            "dataset.pixel_range": str(list(info.pixel_range)),
            "dataset.num_classes": str(len(info.class_names)),
            **{f"dataset.{name}": str(count) for name, count in counts.items()},
        }
    )
    for file_name in (*PICTURES, "audit.html", "audit.json", "dataset.json"):
        run.log_artifacts(folder / file_name, "dataset")


def _report(info: DatasetInfo, examination: Examination, records: Sequence[Record], dataset_dir: Path) -> None:
    rejected_records = [record for record in records if not record.is_kept]
    if len(rejected_records) <= SHOWN_REJECTIONS:
        for record in rejected_records:
            log.warning("Rejected %s (%s): %s", printable(record.path), record.reason, record.message)
    else:
        log.warning(
            "Rejected %s of %s files; each is listed in %s:",
            f"{len(rejected_records):,}",
            f"{len(records):,}",
            dataset_dir / "manifest.parquet",
        )
        for line in summarize_rejected(rejected_records):
            log.warning("  %s", line)
    if info.source.dvc is None:
        log.info(
            "The data is not tracked by DVC, so only the fingerprint %s identifies this version. To keep "
            "versions, run: darkroom data add",
            info.fingerprint[:12],
        )
    for finding in examination.info.findings:
        log.info("Audit: %s. %s", finding.title, finding.message)
    log.info(
        "Kept %s photos: %s.",
        f"{info.num_kept:,}",
        ", ".join(f"{info.num_images(split):,} {split}" for split in SPLITS),
    )
