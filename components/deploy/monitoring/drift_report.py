"""The drift report: one HTML file that stands alone, of one family with the evaluation's and the service's page."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from components.contract.pages.environment import new_environment
from components.contract.pages.parts import PAGE_PARTS_DIR
from components.contract.system.atomic_files import write_file
from components.deploy.monitoring.drift import Drift, Traits

NUM_BARS = 24
HEIGHT, WIDTH = 120, 480


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
        path: of the file.
        drift: what was found.
        reference: of the validation and test photos.
        served: of the service's.
        name: the bento.
        source: where the served photos came from.
        command: that chooses photos to label; None to propose none.
    """
    folder = Path(__file__).parent
    environment = new_environment([folder / "templates", folder.parent / "service" / "page", PAGE_PARTS_DIR])
    bars = {
        "brightness": _bars(reference.brightness, served.brightness, (0, 255)),
        "confidence": _bars(reference.confidence, served.confidence, (0, 1)),
    }
    page = environment.get_template("drift.html.j2").render(
        drift=drift, bars=bars, name=name, source=source, command=command, height=HEIGHT, width=WIDTH
    )
    write_file(path, page.encode())


def _bars(reference: np.ndarray, served: np.ndarray, limits: tuple[float, float]) -> Sequence[dict[str, float]]:
    """Two histograms on one scale, as rectangles in pixels."""
    shares = [np.histogram(values, NUM_BARS, limits)[0] / max(1, len(values)) for values in (reference, served)]
    highest = max(float(np.max(shares)), 1e-9)
    step = WIDTH / NUM_BARS
    return [
        {
            "x": number * step,
            "width": step,
            "reference": float(reference_share / highest) * HEIGHT,
            "served": float(served_share / highest) * HEIGHT,
        }
        for number, (reference_share, served_share) in enumerate(zip(*shares, strict=True))
    ]
