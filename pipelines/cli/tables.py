"""Prints results as tables."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.box import SIMPLE_HEAD
from rich.table import Table

from components.contract.text import pluralize, printable
from pipelines.cli import show

if TYPE_CHECKING:
    from rich.console import Console

    from components.contract.artifacts.audit import AuditInfo
    from components.contract.artifacts.leaderboard import Leaderboard
    from components.train.keras_import.facts import ImportedModel
    from components.train.network.summary import NetworkSummary
    from components.train.network.upload_check import Report
    from pipelines.data.diff import Difference

NUM_SHOWN: Final = 8
"""The maximum number of changes of each kind that are shown; --json lists all."""


def audit(out: "Console", info: "AuditInfo", seconds: float) -> None:
    """Prints the findings of an audit."""
    from components.preprocess.report.pages import POLICY_WORDS, counts_line, describe_checks

    table = Table(title=f"Audit of {info.name}", title_justify="left")
    table.add_column("finding", overflow="fold")
    table.add_column("files", justify="right")
    table.add_column("action", no_wrap=True)
    table.add_column("details", overflow="fold")
    for finding in info.findings:
        files = f"{finding.num_photos:,}" if finding.num_photos else ""
        first = next((" = ".join(printable(photo.path) for photo in case.photos[:3]) for case in finding.cases), "")
        text = finding.message + (f"\n{first}" + (" …" if len(finding.cases) > 1 else "") if first else "")
        table.add_row(finding.title, files, POLICY_WORDS[finding.policy], text)
    if info.findings:
        out.print(table, soft_wrap=False, markup=False)
    else:
        out.print("No problems found.")
    for line in describe_checks(info.checks):
        out.print(line, markup=False)
    kept_text = f"{pluralize(info.num_kept)} kept ({counts_line(info)})"
    out.print(
        f"{pluralize(info.num_files, 'file')}, {kept_text}, in {seconds:.1f} s: "
        f"{info.num_files / seconds:,.0f} files per second.",
        markup=False,
    )


def difference(changes: "Difference") -> None:
    """Prints the changes from one version of a data set to another."""
    for title, lines in (
        ("added", changes.added),
        ("removed", changes.removed),
        ("relabeled", [f"{name}: {before} → {after}" for name, before, after in changes.relabeled]),
        ("moved", [f"{before} → {after}" for before, after in changes.moved]),
    ):
        show.line(f"  {len(lines):,} {title}")
        for line in lines[:NUM_SHOWN]:
            show.line(f"    {printable(line)}")
        if len(lines) > NUM_SHOWN:
            show.line(f"    … {len(lines) - NUM_SHOWN:,} more (--json lists all)")
    for name, (before, after) in changes.counts.items():
        change = f"  ({after - before:+,})" if after != before else ""
        show.line(f"  {printable(name):<24} {before:>8,} → {after:>8,}{change}")


def leaderboard(out: "Console", board: "Leaderboard") -> None:
    """Prints the models of a comparison, side by side."""
    from components.evaluate.formatting import interval, percent
    from components.evaluate.gate.leaderboard import format_p
    from components.evaluate.report.leaderboard_page import OFF_FRONT, ON_FRONT, leaderboard_sentences

    several = any(len(row.seeds) > 1 for row in board.rows)
    table = Table(
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        title=f"{board.dataset_name}: {board.num_images:,} validation photos",
        title_justify="left",
        caption="● on the Pareto front of accuracy, time per photo, and size",
        caption_justify="left",
    )
    table.add_column("model", overflow="fold")
    for heading in ("accuracy", "macro F1", "param.", "bundle", "1 photo", "8 photos", "training"):
        table.add_column(heading, justify="right")
    for row in board.rows:
        name = f"{ON_FRONT if row.on_front else OFF_FRONT} {row.name}{f', {len(row.seeds)} seeds' if several else ''}"
        table.add_row(
            name if row.p_value is None else f"{name}\n  {'tie' if row.tied else 'worse'}, p {format_p(row.p_value)}",
            f"{percent(row.accuracy.value)}\n{interval(row.accuracy)}",
            percent(row.macro_f1),
            _format_count(row.num_parameters),
            f"{row.bundle_mb:,.1f} MB",
            f"{row.latency_ms:.1f} ms",
            f"{row.latency_of_8_ms:.1f} ms",
            f"{row.train_minutes:.1f} min",
            style="bold" if row.name == board.pick else None,
        )
    out.print()
    out.print(table, soft_wrap=False, markup=False)
    for sentence in leaderboard_sentences(board):
        out.print(sentence, markup=False)


def _format_count(number: int) -> str:
    return f"{number:,}" if number < 100_000 else f"{number / 1e6:.2f} M"


def network(costs: "NetworkSummary") -> list[str]:
    """Formats the layers of a network and their cost as lines."""
    from components.contract.layers.shapes import shape_text

    width = max(len(f"{row.name} ({row.kind})") for row in costs.rows)
    head = f"{'layer':<{width}} {'output':<18} {'parameters':>14} {'multiply-adds':>16}"
    rows = []
    for row in costs.rows:
        weights = f"{row.num_parameters:,}" if row.num_parameters else ""
        work = f"{row.multiply_adds:,}" if row.multiply_adds else ""
        rows.append(
            f"{f'{row.name} ({row.kind})':<{width}} {shape_text(row.gives):<18} {weights:>14} {work:>16}".rstrip()
        )
    return [
        head,
        *rows,
        f"{costs.num_parameters:,} parameters, {costs.weights_bytes / 2**20:.1f} MiB; about "
        f"{costs.multiply_adds / 1e6:,.1f} million multiply-adds per photo.",
        f"Training every layer takes about {costs.training_bytes / 2**30:.2f} GiB with batches of {costs.batch_size}; "
        "frozen layers take less.",
    ]


def upload_report(path: Path, report: "Report") -> list[str]:
    """Formats the result of checking a model file as lines."""
    if report.model is None:
        return [f"Refused after {report.seconds:.1f} s: {report.reason}"]
    rows = [f"{name:<14} {value}" for name, value in _list_facts(report.model)]
    if not report.train_refusals:
        return [f"{path} can be used (checked in {report.seconds:.1f} s).", *rows]
    refusals = [f"{number}. {refusal}" for number, refusal in enumerate(report.train_refusals, 1)]
    return [
        f"{path} is safe (checked in {report.seconds:.1f} s), but train rejects it:",
        *refusals,
        *rows,
    ]


def _list_facts(model: "ImportedModel") -> list[tuple[str, str]]:
    size = " × ".join("any" if side is None else str(side) for side in model.input_shape)
    output = {
        "softmax": "probabilities that sum to 1",
        "sigmoid": "one independent probability per output (sigmoid)",
        "values": "values that are not probabilities, such as logits",
        "features": "a feature map, without a head",
    }[model.output]
    outputs = " × ".join(map(str, model.output_shape))
    preprocessing = model.preprocessing
    pixels = (
        "unknown: set the pixel range that the model was trained on"
        if preprocessing is None
        else f"{preprocessing.pixels}. {preprocessing.why}"
    )
    return [
        ("file", f"{model.form}, Keras {model.keras_version}"),
        ("input", f"{size}, {model.input_dtype}"),
        ("pixels", pixels),
        ("output", f"{outputs} {output}"),
        *([("classes", ", ".join(model.class_names))] if model.class_names else []),
        ("layers", f"{model.num_layers:,}"),
        ("parameters", f"{model.num_parameters:,}"),
        ("uploaded", f"sha256 {model.uploaded_sha256}"),
    ]
