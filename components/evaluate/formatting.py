"""Formats numbers for the report, the PDF and the model card."""

from components.contract.artifacts.figures import Interval


def percent(share: float | None) -> str:
    """`97.2 %`, and a dash for undefined values."""
    return "–" if share is None else f"{_percentage(share)} %"


def interval(figure: Interval) -> str:
    """`95.0–98.5 %`."""
    return f"{_percentage(figure.low)}–{_percentage(figure.high)} %"


def estimate(figure: Interval) -> str:
    """`97.2 % (95.0–98.5 %)`."""
    return f"{percent(figure.value)} ({interval(figure)})"


def per_hundred(share: float) -> str:
    """A share as a whole number out of 100."""
    return f"{100 * share:.0f}"


def file_size(num_bytes: int) -> str:
    """`592 kB`, `9.0 MB`."""
    return f"{num_bytes / 1e6:,.1f} MB" if num_bytes >= 1e6 else f"{num_bytes / 1e3:.0f} kB"


def epoch_range(first_and_last: tuple[int, int] | None) -> str:
    """`1–4`, `5`, and a dash for a phase that never ran."""
    if first_and_last is None:
        return "–"
    first, last = first_and_last
    return str(first) if first == last else f"{first}–{last}"


def _percentage(share: float) -> str:
    """One decimal, and none if the share is 0 or 1 exactly: `100.0` has been rounded, `100` has not."""
    return f"{100 * share:.0f}" if share in (0, 1) else f"{100 * share:.1f}"
