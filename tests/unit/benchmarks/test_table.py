"""What all benchmarks share: rows, timing, discovery and the printed table."""

import itertools

import pytest

from benchmarks.__main__ import find_benchmarks, measure_here, request_reason
from benchmarks.table import Row, SkipError, peak_memory_mb, print_rows, time_by_turns


@pytest.mark.parametrize(
    ("ratio", "target", "holds"),
    [(5.0, ">= 5", True), (4.9, ">= 5", False), (1.2, "<= 1.3", True), (2, "<= 1.3", False)],
)
def test_a_row_holds_if_its_ratio_meets_the_target(ratio: float, target: str, holds: bool) -> None:
    assert Row("claim", "ours", "baseline", ratio, target).holds is holds


def test_functions_are_timed_in_turn_and_the_median_is_returned() -> None:
    order: list[str] = []
    durations = itertools.cycle([3.0, 1.0, 50.0, 1.0, 2.0, 1.0])
    now = 0.0

    def clock() -> float:
        return now

    def work(name: str) -> None:
        nonlocal now
        order.append(name)
        if len(order) > 2:  # the first call of each function is not timed
            now += next(durations)

    assert time_by_turns(lambda: work("a"), lambda: work("b"), rounds=3, clock=clock) == [3.0, 1.0]
    assert order == ["a", "b"] * 4


def test_every_benchmark_is_found_and_a_skipped_one_reports_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"decode", "reading"} <= set(find_benchmarks())
    assert "table" not in find_benchmarks()
    assert [name for name in find_benchmarks() if request_reason(name)] == [
        "feature_workers",
        "formats",
        "labeling",
        "memory",
        "parts",
        "processor",
        "shared_store",
        "training_memory",
    ]

    def skip() -> list[Row]:
        raise SkipError("no GPU here")

    monkeypatch.setattr("benchmarks.decode.measure", skip)
    assert measure_here("decode") == {"rows": [], "skipped": "no GPU here"}


def test_the_output_shows_ratios_and_the_reasons_for_skipping(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([Row("speed", "10/s", "2/s, slow", 5.0, ">= 4", peak_memory_mb())], [("gpu", "no GPU here")])
    printed = capsys.readouterr().out
    assert "5.00×" in printed
    assert "skipped: gpu: no GPU here" in printed
