"""Formats numbers for the report, the PDF and the model card."""

from components.contract.artifacts.figures import Interval


def percent(share: float | None) -> str:
    """Formats a share as `97.2 %`, and an undefined share as a dash."""
    return "–" if share is None else f"{_percentage(share)} %"


def interval(figure: Interval) -> str:
    """Formats the limits of an interval as `95.0–98.5 %`."""
    return f"{_percentage(figure.low)}–{_percentage(figure.high)} %"


def estimate(figure: Interval) -> str:
    """Formats a value with its interval as `97.2 % (95.0–98.5 %)`."""
    return f"{percent(figure.value)} ({interval(figure)})"


def per_hundred(share: float) -> str:
    """Formats a share as a percentage without decimals or a percent sign."""
    return f"{100 * share:.0f}"


def file_size(num_bytes: int) -> str:
    """Formats a size as `592 kB` or `9.0 MB`."""
    return f"{num_bytes / 1e6:,.1f} MB" if num_bytes >= 1e6 else f"{num_bytes / 1e3:.0f} kB"


def epoch_range(first_and_last: tuple[int, int] | None) -> str:
    """Formats the epochs of a phase as `1–4` or `5`, and as a dash if the phase never ran."""
    if first_and_last is None:
        return "–"
    first, last = first_and_last
    return str(first) if first == last else f"{first}–{last}"


def _percentage(share: float) -> str:
    """A percentage with one decimal place, or without decimals if the share is exactly 0 or 1: `100.0` is rounded."""
    return f"{100 * share:.0f}" if share in (0, 1) else f"{100 * share:.1f}"
