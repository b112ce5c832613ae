"""The verbs for photos: audit, data."""

import datetime
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from components.contract.text import pluralize
from pipelines.cli.frame import Verb, Verbs
from pipelines.option_values import PATH, parse_day
from pipelines.run_options import json_option, params_option, set_option

if TYPE_CHECKING:
    from pipelines.data.versions import Version

EXPORT_FORMATS = ("csv", "imagefolder", "label-studio", "coco")

name_option = click.option("--name", metavar="NAME", help="The name of the data set, if there are several.")


@click.command(cls=Verb)
@click.argument("data", metavar="DATA", help="A folder, an archive, a table or an address.")
@click.option(
    "--output",
    type=PATH,
    metavar="FOLDER",
    help="The folder for the report.",
    show_default="audits/ followed by the name of DATA",
)
@params_option
@set_option
@json_option
def audit(data: str, output: Path | None, params: Path | None, settings: tuple[str, ...], as_json: bool) -> None:
    """Check for broken, duplicate, leaked, mislabeled and unusual photos before training."""
    from pipelines.cli import show, tables
    from pipelines.data.audit import audit_data
    from pipelines.run_options import resolve_data

    console = show.console(to_stderr=as_json)
    show.log_progress(to_stderr=as_json)
    result = audit_data(resolve_data(data, params, settings).params, output)
    if as_json:
        facts = {"report": str(result.report_path), "seconds": result.seconds}
        show.as_json(result.info.model_dump(mode="json") | facts)
    else:
        tables.audit(console, result.info, result.seconds)
        console.print(f"Report: {result.report_path}", markup=False)
    result.require_success()


@click.group(cls=Verbs)
def data() -> None:
    """Keep versions of data sets with DVC, and export them for use in other programs."""


@data.command()
@click.argument(
    "path",
    metavar="PATH",
    type=PATH,
    help="A folder or an archive. It is copied, unless it is in this repository.",
)
@click.option("--name", metavar="NAME", help="The name of the data set.", show_default="the name of PATH")
@json_option
def add(path: Path, name: str | None, as_json: bool) -> None:
    """Add a folder or an archive to DVC, as a new data set or as the next version of one."""
    from pipelines.cli import show
    from pipelines.data import versions

    version = versions.add(path, name)
    if as_json:
        show.as_json(asdict(version))
    else:
        show.line(
            f"{version.path}: version {version.commit[:12]} (files: {version.num_files or 1:,}). To upload it to "
            "a remote: dvc push"
        )


@data.command("list")
@json_option
def list_data(as_json: bool) -> None:
    """List the versions of all data sets of this repository."""
    from pipelines.cli import show
    from pipelines.data import versions

    data_versions = versions.list_versions()
    if as_json:
        show.as_json([asdict(version) for version in data_versions])
        return
    if not data_versions:
        show.line("There is no data under DVC here. To add data: darkroom data add PATH --name NAME")
        return
    rows = []
    for version in data_versions:
        size = show.megabytes(version.num_bytes) if version.num_bytes is not None else ""
        files = f"{version.num_files or 1:,}"
        rows.append([version.commit[:12], version.path, version.date, files, size, version.subject])
    show.listing(show.console(), ("version", "data", "date", "files", "size", "change"), rows, fold_column="change")


@data.command()
@click.argument("before", metavar="REVISION", help="A commit, branch or tag.")
@click.argument(
    "now", metavar="[REVISION]", default="workspace", help="Another commit, branch or tag. [default: the workspace]"
)
@name_option
@json_option
def diff(before: str, now: str, name: str | None, as_json: bool) -> None:
    """List the photos added, removed, relabeled or moved between two versions, and the class counts."""
    from pipelines.cli import show, tables
    from pipelines.data.diff import compare_data

    path, changes = compare_data(name, before, now)
    if as_json:
        show.as_json(asdict(changes))
        return
    show.line(f"{path} from {before} to {now}:")
    tables.difference(changes)


@data.command()
@click.argument(
    "decisions",
    metavar="CSV",
    type=PATH,
    help="A table with the columns path and label. A photo without a label is removed.",
)
@name_option
@json_option
def relabel(decisions: Path, name: str | None, as_json: bool) -> None:
    """Apply label decisions, and save the result as a new version."""
    from pipelines.data.relabel import relabel_data

    _show_change(relabel_data(name, decisions), as_json=as_json)


def _show_change(version: "Version", *, as_json: bool) -> None:
    from pipelines.cli import show

    if as_json:
        show.as_json(asdict(version))
    else:
        show.line(
            f"{version.path}: version {version.commit[:12]}. To see the changes: darkroom data diff "
            f"{version.commit[:12]}~ {version.commit[:12]} --name {version.name}"
        )


@data.command("next")
@click.option(
    "--from",
    "source",
    required=True,
    type=PATH,
    metavar="LOG_OR_PHOTOS",
    help="A prediction log or a folder of photos.",
)
@click.option("--count", type=click.IntRange(1, 10_000), default=50, metavar="N", help="The maximum number of photos.")
@click.option("--output", required=True, type=PATH, metavar="FOLDER", help="A new folder for the photos and the tasks.")
@click.option("--photos", type=PATH, metavar="FOLDER", help="The logged photos, each named after its prediction's id.")
@click.option("--run", default="latest", metavar="RUN", help="The run whose model the labels should improve.")
@click.option("--since", type=parse_day, metavar="YYYY-MM-DD", help="Use only predictions made on or after this date.")
@json_option
def next_photos(
    source: Path,
    count: int,
    output: Path,
    photos: Path | None,
    run: str,
    since: datetime.date | None,
    as_json: bool,
) -> None:
    """Choose the photos to label next, and write tasks for Label Studio.

    These are the photos whose labels would teach the model the most: photos that are uncertain, unfamiliar or disputed
    by feedback, and that differ from each other.
    """
    from pipelines.cli import show
    from pipelines.data.next_photos import choose_next

    show.log_progress(to_stderr=as_json)
    result = choose_next(source, run, count, output, photos_dir=photos, since=since)
    if as_json:
        show.as_json(asdict(result))
        return
    disputed = f", {result.num_disputed} of them disputed by feedback" if result.num_disputed else ""
    show.line(
        f"{result.folder}: {result.num_photos:,} of {result.num_candidates:,} photos{disputed}. Import tasks.json into "
        f"Label Studio, export the labels as JSON to {result.folder}/labels.json, and add them: darkroom data label "
        f"{result.folder}/labels.json"
    )


@data.command()
@click.argument("labels", metavar="LABEL_FILE", type=PATH, help="A label file, such as Label Studio's JSON.")
@name_option
@json_option
def label(labels: Path, name: str | None, as_json: bool) -> None:
    """Add newly labeled photos as a new version.

    The label file must be in the folder of its photos. Photos that are already in the data are left out.
    """
    from pipelines.data.labeling import add_labeled_photos

    _show_change(add_labeled_photos(name, labels), as_json=as_json)


@data.command()
@click.argument("data", metavar="DATA", help="A folder, an archive, a label file or an address.")
@click.option("--format", "label_format", required=True, type=click.Choice(EXPORT_FORMATS), help="The export format.")
@click.option("--output", required=True, type=PATH, metavar="FOLDER", help="A new folder for the export.")
@click.option("--labels-only", is_flag=True, help="Do not copy photos; the label file refers to those in DATA.")
@set_option
@json_option
def export(
    data: str, label_format: str, output: Path, labels_only: bool, settings: tuple[str, ...], as_json: bool
) -> None:
    """Export photos and labels for use in other programs.

    --set data.columns.KEY=NAME names a column of DATA's label file.
    """
    from pipelines.cli import show
    from pipelines.data.export import export_data
    from pipelines.run_options import read_params

    source = read_params(data, None, settings).data
    result = export_data(source.uri, source.columns, label_format, output, labels_only=labels_only)
    if as_json:
        show.as_json(asdict(result))
        return
    left_out = f" Left out (no label or no readable photo): {result.num_left_out:,}." if result.num_left_out else ""
    show.line(f"{result.folder}: {pluralize(result.num_photos)} in {' and '.join(result.label_files)}.{left_out}")


VERBS = (audit, data)
