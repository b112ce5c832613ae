"""Audits a data set without starting a run, for `darkroom audit`."""

import shlex
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from components.contract.errors import ArtifactError
from components.preprocess.examine import examine, refuse_failures
from components.preprocess.manifest import write_manifest
from components.preprocess.report.pages import write_report
from components.preprocess.sources.remote.addresses import is_remote
from components.preprocess.sources.source import find_photos, name_of, open_data
from components.preprocess.store.pixel_cache import open_store

if TYPE_CHECKING:
    from components.contract.artifacts.audit import AuditInfo
    from components.contract.params.pipeline import Params


MANIFEST_FILE: Final = "manifest.parquet"
"""The file in the report's folder that lists the result and the split of each photo."""


@dataclass(frozen=True)
class Audit:
    """The result of an audit.

    Attributes:
        info: the findings.
        report_path: the page with the report.
        seconds: how long the audit took.
    """

    info: "AuditInfo"
    report_path: Path
    seconds: float

    def require_success(self) -> None:
        """Requires that the audit has no findings that the params treat as failures.

        Raises:
            AuditError: there is such a finding.
        """
        refuse_failures(self.info, f"See {shlex.quote(str(self.report_path))}.")


def audit_data(params: "Params", output_dir: Path | None = None) -> Audit:
    """Examines all photos and writes a report; nothing is trained.

    Args:
        params: the resolved params.
        output_dir: the folder for the report; None means audits/ followed by the name of the data.

    Raises:
        ArtifactError: the folder has other content, or overlaps with the photos.
    """
    from components.contract.system.atomic_files import new_folder

    start_time = time.monotonic()
    uri, preprocess = params.data.uri, params.preprocess
    name = name_of(uri)
    folder = output_dir or Path("audits") / name
    _require_separate(folder, uri)
    with (
        tempfile.TemporaryDirectory(prefix="darkroom-") as scratch,
        open_data(uri, Path(scratch), params.data.columns, zip_encoding=preprocess.zip_code_page) as source,
    ):
        photo_files = find_photos(source)
        with open_store(preprocess.size, preprocess.resize) as store, new_folder(folder) as output:
            examination = examine(name, photo_files, preprocess, store, divisible=False)
            write_report(output, examination, params.train)
            write_manifest(output / MANIFEST_FILE, [*examination.records, *photo_files.rejected])
    return Audit(examination.info, folder / "audit.html", time.monotonic() - start_time)


def _require_separate(folder: Path, uri: str) -> None:
    """Requires a folder that is new, empty or from an earlier report, so that no files of the user are replaced."""
    target = folder.resolve()
    overlaps = not is_remote(uri) and (
        Path(uri).is_relative_to(target) or (Path(uri).is_dir() and target.is_relative_to(Path(uri)))
    )
    is_ours = (
        not target.exists() or (target / "audit.json").is_file() or (target.is_dir() and not any(target.iterdir()))
    )
    if overlaps or not is_ours:
        raise ArtifactError(
            "The folder for the report must be new or contain an earlier report, and must not overlap with the photos; "
            f"{folder} is not such a folder. Choose another one: --output FOLDER"
        )
