"""Writes the drift report as one self-contained HTML file."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from components.contract.pages.blocks import Block, Chart, Code, Section, Table, Text, Verdict
from components.contract.pages.markup import Html, node
from components.contract.pages.printer import render_page
from components.contract.system.atomic_files import write_file
from components.deploy.monitoring.drift import Drift, Signal, Traits

NUM_BARS = 24
HEIGHT, WIDTH = 120, 480
TONES = {"drift": "bad", "no drift": "good", "cannot tell": "soft"}
LIMITS = {"brightness": (0, 255), "confidence": (0, 1)}
ADVICE = "Label the photos from which the model would learn the most, add them to the data, and train again:"
PHOTOS_ADVICE = "FOLDER must contain the photos that you sent, each named after its prediction id, such as ID.jpg."
LEGENDS = {"brightness": "From 0 (black) to 255 (white).", "confidence": "From 0 to 1."}


def write_report(
    path: Path,
    drift: Drift,
    reference: Traits,
    served: Traits,
    *,
    name: str,
    source: str,
    command: str | None = None,
) -> None:
    """Writes the report.

    Args:
        path: the file to write.
        drift: the result of the comparison.
        reference: the validation and test photos.
        served: the photos that the service classified.
        name: the name of the bento.
        source: the origin of the served photos.
        command: the command that the report proposes for choosing photos to label; None for no proposal.
    """
    verdict = Verdict(drift.verdict.capitalize(), TONES[drift.verdict], [Text(drift.reason)])
    rows = [[one.class_name, f"{100 * one.reference:.1f} %", f"{100 * one.served:.1f} %"] for one in drift.classes]
    lead = "The share of each class among the predictions. A change can be drift, or a different mix of classes."
    page = render_page(
        f"{name}: drift",
        eyebrow="Drift",
        heading=name,
        lead=f"{drift.num_served:,} served photos ({source}) compared with {drift.num_reference:,} validation and test "
        "photos of the data set.",
        sections=[
            Section("verdict", "", [verdict]),
            *([Section("advice", "What to do", list(_advice_blocks(command)))] if command else []),
            *(
                Section(signal.name, signal.name.capitalize(), list(_signal_blocks(signal, reference, served)))
                for signal in drift.signals
            ),
            Section(
                "classes",
                "Predictions by class",
                [Text(lead, "soft"), Table(["Class", "Data set", "Service"], rows, "Predictions by class")],
            ),
        ],
    )
    write_file(path, page.encode())


def _advice_blocks(command: str) -> Iterator[Block]:
    yield Text(ADVICE)
    yield Code(command)
    if "--photos FOLDER" in command:
        yield Text(PHOTOS_ADVICE, "soft small")


def _signal_blocks(signal: Signal, reference: Traits, served: Traits) -> Iterator[Block]:
    name = signal.name
    yield Text(signal.text)
    if name in LIMITS:
        yield Chart(name, partial(_histograms, signal, getattr(reference, name), getattr(served, name)))
        yield Text(f"Filled: the data set. Line: the service. {LEGENDS[name]}", "soft small")
    yield Text(
        f"{signal.method}: {signal.size:.2f} (threshold {signal.matters_from:.2f}), p = {signal.p_value:.2g}.",
        "soft small",
    )


def _histograms(signal: Signal, reference: np.ndarray, served: np.ndarray) -> Html:
    """Draws two histograms on the same scale."""
    limits = LIMITS[signal.name]
    shares = [np.histogram(values, NUM_BARS, limits)[0] / max(1, len(values)) for values in (reference, served)]
    heights, line_heights = HEIGHT * np.array(shares) / max(float(np.max(shares)), 1e-9)
    step = WIDTH / NUM_BARS
    bars = [
        node("rect", x=number * step, y=HEIGHT - height, width=step - 1, height=height, style="fill:var(--line)")
        for number, height in enumerate(heights)
    ]
    steps = "".join(f" V{HEIGHT - height} H{(number + 1) * step}" for number, height in enumerate(line_heights))
    color = "wrong" if signal.drifted else "right"
    line = node("path", d=f"M0 {HEIGHT}{steps} V{HEIGHT}", style=f"fill:none;stroke:var(--{color});stroke-width:2")
    label = f"Histograms of {signal.name}: filled for the data set, a line for the service"
    return node("svg", bars, line, viewBox=f"0 0 {WIDTH} {HEIGHT + 2}", role="img", aria_label=label, width=640)
