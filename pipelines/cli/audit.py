"""The verb `darkroom audit`: looks at a data set before anything is trained."""

import argparse
import shlex
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from components.contract.artifacts.audit import AuditInfo

Verb = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]


def add_audit(verb: Verb) -> None:
    """Adds `darkroom audit`."""
    audit = verb("audit", _audit, "look at the photos before training: broken, copied, leaked, mislabelled, odd")
    audit.add_argument("data", metavar="DATA", help="a folder, an archive, a table or an address, as for run")
    audit.add_argument("--output", type=Path, metavar="FOLDER", help="for the report; default: audits/NAME")
    audit.add_argument("--params", type=Path, metavar="FILE", help="default: params.yaml where it exists")
    audit.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="change one value, such as preprocess.audit.leakage=fail; may be repeated",
    )
    audit.add_argument("--json", action="store_true", help="print the result as JSON on standard output")


def _audit(arguments: argparse.Namespace) -> int:
    from components.contract.system.atomic_files import new_folder
    from components.preprocess.examine import examine, refuse_failures
    from components.preprocess.report.pages import write_report
    from components.preprocess.sources.source import find_photos, name_of, open_data
    from components.preprocess.store.pixel_cache import open_store
    from pipelines.cli import show
    from pipelines.run_options import resolve_data

    console = show.console(to_stderr=arguments.json)
    start_time = time.monotonic()
    _show_log(arguments.json)
    resolution = resolve_data(arguments)
    uri, params = resolution.params.data.uri, resolution.params.preprocess
    name = name_of(uri)
    folder = arguments.output or Path("audits") / name
    _require_place(folder, uri)
    columns = resolution.params.data.columns
    with (
        tempfile.TemporaryDirectory(prefix="darkroom-") as scratch,
        open_data(uri, Path(scratch), columns, zip_encoding=params.zip_code_page) as source,
    ):
        photo_files = find_photos(source)
        with open_store(params.size, params.resize) as store, new_folder(folder) as output:
            examination = examine(name, photo_files, params, store, divisible=False)
            write_report(output, examination, resolution.params.train)
    seconds = time.monotonic() - start_time
    if arguments.json:
        show.as_json(
            examination.info.model_dump(mode="json") | {"report": str(folder / "audit.html"), "seconds": seconds}
        )
    else:
        _show(console, examination.info, seconds)
        console.print(f"Report: {folder / 'audit.html'}", markup=False)
    refuse_failures(examination.info, f"See {shlex.quote(str(folder / 'audit.html'))}.")
    return 0


def _show(console: "Console", info: "AuditInfo", seconds: float) -> None:
    from rich.table import Table

    from components.contract.text import printable
    from components.preprocess.report.pages import POLICY_WORDS, counts_line, describe_checks

    table = Table(title=f"Audit of {info.name}", title_justify="left")
    table.add_column("finding", overflow="fold")
    table.add_column("files", justify="right")
    table.add_column("what happens", no_wrap=True)
    table.add_column("what was found", overflow="fold")
    for finding in info.findings:
        files = f"{finding.num_photos:,}" if finding.num_photos else ""
        first = next((" = ".join(printable(photo.path) for photo in case.photos[:3]) for case in finding.cases), "")
        text = finding.message + (f"\n{first}" + (" …" if len(finding.cases) > 1 else "") if first else "")
        table.add_row(finding.title, files, POLICY_WORDS[finding.policy], text)
    if info.findings:
        console.print(table, soft_wrap=False, markup=False)
    else:
        console.print("No problems found.")
    for line in describe_checks(info.checks):
        console.print(line, markup=False)
    console.print(
        f"{info.num_files:,} files, {info.num_kept:,} photos kept ({counts_line(info)}), in {seconds:.1f} s: "
        f"{info.num_files / seconds:,.0f} files a second.",
        markup=False,
    )


def _show_log(to_stderr: bool) -> None:
    import logging
    import sys

    logging.basicConfig(level=logging.WARNING, stream=sys.stderr if to_stderr else sys.stdout, format="%(message)s")
    logging.getLogger("components").setLevel(logging.INFO)


def _require_place(folder: Path, uri: str) -> None:
    """What the user gave is never replaced, nor mixed with what we write."""
    from components.contract.errors import ArtifactError
    from components.preprocess.sources.remote.addresses import is_remote

    target = folder.resolve()
    is_within = not is_remote(uri) and (
        Path(uri).is_relative_to(target) or (Path(uri).is_dir() and target.is_relative_to(Path(uri)))
    )
    is_ours = (
        not target.exists() or (target / "audit.json").is_file() or (target.is_dir() and not any(target.iterdir()))
    )
    if is_within or not is_ours:
        raise ArtifactError(
            f"The report must become a new folder apart from the photos, or replace an earlier report; "
            f"{folder} does not. Name another: --output FOLDER"
        )
