"""The verb `darkroom data`: versions of data sets, kept with DVC."""

import argparse
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

Verb = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]

EXPORT_FORMATS = ("csv", "imagefolder", "label-studio", "coco")

SHOWN = 8
"""Of each kind of change; --json names all."""


def add_data(verb: Verb) -> None:
    """Adds `darkroom data add | list | diff | relabel | export`."""
    data = verb("data", _list, "keep versions of data sets: add, list, diff, relabel; export them for other programs")
    actions = data.add_subparsers(title="actions", metavar="ACTION", required=True)

    def action(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        action_parser = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        action_parser.set_defaults(verb=run)
        action_parser.add_argument("--json", action="store_true", help="print the result as JSON on standard output")
        return action_parser

    add = action("add", _add, "put a folder or an archive under DVC, as new data or as their next version")
    add.add_argument("path", type=Path, metavar="PATH", help="within this repository: in place; else it is copied")
    add.add_argument("--name", help="what the data are called; default: as PATH")

    action("list", _list, "list the versions of all data sets of this repository")

    diff = action("diff", _diff, "show photos that were added, removed or relabelled, and the class counts")
    diff.add_argument("before", metavar="REV1", help="a commit, branch or tag")
    diff.add_argument("now", metavar="REV2", nargs="?", default="workspace", help="default: what stands in the folder")
    diff.add_argument("--name", help="of the data, where there are several")

    relabel = action("relabel", _relabel, "apply decisions about labels as a new version")
    relabel.add_argument("decisions", type=Path, metavar="CSV", help="columns path and label; no label takes it out")
    relabel.add_argument("--name", help="of the data, where there are several")

    export = action("export", _export, "write photos and labels for other programs")
    export.add_argument("data", metavar="DATA", help="a folder, an archive, a label file or an address, as for run")
    export.add_argument("--format", required=True, choices=EXPORT_FORMATS, help="of the label file")
    export.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="becomes the export")
    export.add_argument(
        "--labels-only", action="store_true", help="write no photos; names in the label file count from DATA"
    )
    export.add_argument(
        "--set", action="append", default=[], metavar="data.columns.KEY=NAME", help="name a column of DATA's label file"
    )


def _add(arguments: argparse.Namespace) -> int:
    from pipelines.cli import show
    from pipelines.data import versions

    version = versions.add(arguments.path, arguments.name)
    if arguments.json:
        show.as_json(asdict(version))
    else:
        show.line(
            f"{version.path}: version {version.commit[:12]}, {version.num_files or 1:,} files. To keep it "
            "elsewhere too: dvc push"
        )
    return 0


def _list(arguments: argparse.Namespace) -> int:
    from pipelines.cli import show
    from pipelines.data import versions

    data_versions = versions.list_versions()
    if arguments.json:
        show.as_json([asdict(version) for version in data_versions])
        return 0
    if not data_versions:
        show.line("No data are under DVC here: darkroom data add PATH --name NAME")
        return 0
    rows = []
    for version in data_versions:
        size = show.megabytes(version.num_bytes) if version.num_bytes is not None else ""
        files = f"{version.num_files or 1:,}"
        rows.append([version.commit[:12], version.path, version.date, files, size, version.subject])
    show.listing(show.console(), ("version", "data", "date", "files", "size", "what"), rows, fold_column="what")
    return 0


def _diff(arguments: argparse.Namespace) -> int:
    from components.contract.text import printable
    from pipelines.cli import show
    from pipelines.data import recovery, versions
    from pipelines.data.diff import compare_versions
    from pipelines.data.repository import find_repository

    root = find_repository()
    path = versions.find_data(root, arguments.name)
    with recovery.lock_changes(root):
        versions.recover(root)
    changes = compare_versions(root, path, arguments.before, arguments.now)
    if arguments.json:
        show.as_json(asdict(changes))
        return 0
    show.line(f"{path} from {arguments.before} to {arguments.now}:")
    for title, lines in (
        ("added", changes.added),
        ("removed", changes.removed),
        ("relabelled", [f"{name}: {before} → {after}" for name, before, after in changes.relabelled]),
        ("moved", [f"{before} → {after}" for before, after in changes.moved]),
    ):
        show.line(f"  {len(lines):,} {title}")
        for line in lines[:SHOWN]:
            show.line(f"    {printable(line)}")
        if len(lines) > SHOWN:
            show.line(f"    … {len(lines) - SHOWN:,} more: --json")
    for name, (before, after) in changes.counts.items():
        change = f"  ({after - before:+,})" if after != before else ""
        show.line(f"  {printable(name):<24} {before:>8,} → {after:>8,}{change}")
    return 0


def _relabel(arguments: argparse.Namespace) -> int:
    from pipelines.cli import show
    from pipelines.data import versions
    from pipelines.data.relabel import read_decisions, relabel
    from pipelines.data.repository import find_repository

    root = find_repository()
    path = versions.find_data(root, arguments.name)
    version = relabel(root, path, read_decisions(arguments.decisions))
    if arguments.json:
        show.as_json(asdict(version))
    else:
        show.line(
            f"{version.path}: version {version.commit[:12]}. What changed: darkroom data diff "
            f"{version.commit[:12]}~ {version.commit[:12]} --name {version.name}"
        )
    return 0


def _export(arguments: argparse.Namespace) -> int:
    from pipelines.cli import show
    from pipelines.data.export import export_data
    from pipelines.run_options import read_params

    arguments.params = None
    data = read_params(arguments).data
    export = export_data(data.uri, data.columns, arguments.format, arguments.output, labels_only=arguments.labels_only)
    if arguments.json:
        show.as_json(asdict(export))
        return 0
    left_out = f" {export.num_left_out:,} files without a label were left out." if export.num_left_out else ""
    files = " and ".join(export.label_files)
    show.line(f"{export.folder}: {export.num_photos:,} photos in {files}.{left_out}")
    return 0
