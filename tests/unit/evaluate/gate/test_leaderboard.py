"""The leaderboard: which model is the most accurate, which are tied with it, and which to choose."""

from typing import Any

import numpy as np
import pytest

from components.contract.artifacts.leaderboard import Leaderboard
from components.evaluate.gate.leaderboard import Entrant, holm, rank
from components.evaluate.report.leaderboard_page import front_chart, leaderboard_sentences, render_leaderboard

LABELS = np.arange(200, dtype=np.int32) % 4


def entrant(name: str, wrong: list[int] | list[list[int]], *, ms: float = 10.0, mb: float = 10.0) -> Entrant:
    """A model that misclassifies these photos; several lists mean several training runs."""
    trainings = wrong if wrong and isinstance(wrong[0], list) else [wrong]
    predicted = np.stack([LABELS] * len(trainings))
    for row, places in zip(predicted, trainings, strict=True):
        row[places] = (row[places] + 1) % 4
    seeds = tuple(range(42, 42 + len(trainings)))
    return Entrant(name, seeds, predicted == LABELS, predicted, 1000, mb, ms, 8 * ms, 1.5)


def rank_entrants(*entrants: Entrant, left_out: tuple[str, ...] = ()) -> Leaderboard:
    return rank(entrants, LABELS, "things", left_out, np.random.default_rng(0))


def first(num: int, start: int = 0) -> list[int]:
    return list(range(start, start + num))


def test_a_significantly_better_model_is_chosen_even_if_it_is_slow() -> None:
    board = rank_entrants(entrant("quick", first(60), ms=1), entrant("slow", first(10), ms=100))
    assert [row.name for row in board.rows] == ["slow", "quick"]
    assert board.pick == "slow"
    assert board.rows[1].p_value is not None
    assert board.rows[1].p_value < 0.001
    assert not board.rows[1].tied
    assert board.reason == (
        "Use slow: it classifies 95.0 % of the 200 validation photos correctly, significantly more than any other "
        "model (quick is next with 70.0 %, p < 0.001), and takes 100.0 ms per photo."
    )


def test_among_tied_models_the_fastest_is_chosen_and_the_tie_is_reported() -> None:
    board = rank_entrants(
        entrant("slow", first(10), ms=100), entrant("quick", first(12, 100), ms=9), entrant("bad", first(80))
    )
    assert board.pick == "quick"
    assert board.reason == (
        "Use quick: it classifies 94.0 % of the 200 validation photos correctly, is tied with the most accurate "
        "model, slow (95.0 %, p = 0.832), and takes 9.0 ms per photo instead of 100.0."
    )
    assert leaderboard_sentences(board) == [board.reason]
    assert [row.tied for row in board.rows] == [True, True, False]


def test_a_tied_model_that_is_hardly_faster_is_not_chosen() -> None:
    board = rank_entrants(entrant("accurate", first(10), ms=10.0), entrant("other", first(12, 100), ms=9.5))
    assert board.pick == "accurate"
    assert board.reason == (
        "Use accurate: it classifies 95.0 % of the 200 validation photos correctly, and takes 10.0 ms per photo; "
        "other, tied with it (p = 0.832), is at most a tenth faster."
    )


def test_every_tie_is_reported() -> None:
    board = rank_entrants(
        entrant("slow", first(10), ms=100),
        entrant("quick", first(11, 100), ms=9),
        entrant("third", first(12, 50), ms=50),
        left_out=("bad: it cannot be trained.",),
    )
    assert leaderboard_sentences(board)[1:] == [
        "third and slow are tied: chance alone produces such a difference with a probability of 100 %.",
        "Left out: bad: it cannot be trained.",
    ]


def test_the_front_contains_the_models_that_no_other_model_dominates() -> None:
    board = rank_entrants(
        entrant("accurate", first(10), ms=100, mb=90),
        entrant("quick", first(40), ms=1, mb=20),
        entrant("small", first(40), ms=2, mb=5),
        entrant("useless", first(41), ms=2, mb=20),
    )
    assert {row.name for row in board.rows if row.on_front} == {"accurate", "quick", "small"}


def test_the_paired_test_finds_a_difference_even_if_the_intervals_overlap() -> None:
    """The two intervals overlap widely, yet one model is never wrong where the other is right."""
    board = rank_entrants(entrant("better", first(20)), entrant("worse", first(30)))
    better, worse = board.rows
    assert better.accuracy.low < worse.accuracy.high
    assert not worse.tied
    assert worse.p_value == pytest.approx(0.5**9, rel=0.01)


def test_variation_between_seeds_counts_as_chance() -> None:
    """Single training runs of the two models differ significantly, but so do the training runs of one model."""
    steady = [first(20), first(20), first(20)]
    luck = [first(20), first(34), first(50)]
    single_runs = rank_entrants(entrant("a", luck[0]), entrant("b", luck[2]))
    assert not single_runs.rows[1].tied
    unsteady = rank_entrants(entrant("a", luck), entrant("b", [first(24), first(40), first(52)]))
    assert unsteady.rows[1].tied
    assert unsteady.rows[0].accuracies == (0.9, 0.83, 0.75)
    assert unsteady.rows[0].accuracy.value == pytest.approx(np.mean([0.9, 0.83, 0.75]))
    assert unsteady.rows[0].accuracy.low < 0.8 < unsteady.rows[0].accuracy.high
    significant = rank_entrants(entrant("a", steady), entrant("b", [first(70), first(72), first(75)]))
    assert not significant.rows[1].tied


def test_models_without_a_difference_are_always_tied() -> None:
    for wrong in (first(10), [first(10), first(10)]):
        board = rank_entrants(entrant("a", wrong), entrant("b", wrong))
        assert board.rows[1].p_value == 1.0
        assert board.rows[1].tied


@pytest.mark.parametrize(
    ("p_values", "corrected"),
    [
        ([], []),
        ([0.03], [0.03]),
        ([0.04, 0.01, 0.03], [0.06, 0.03, 0.06]),
        ([0.6, 0.7], [1.0, 1.0]),
    ],
)
def test_p_values_of_several_comparisons_are_corrected(p_values: list[float], corrected: list[float]) -> None:
    assert holm(p_values) == pytest.approx(corrected)


def test_macro_f1_is_the_mean_over_the_training_runs() -> None:
    from sklearn.metrics import f1_score

    first_entrant = entrant("a", [first(30), first(10, 50)])
    expected = np.mean([f1_score(LABELS, predicted, average="macro") for predicted in first_entrant.predicted])
    assert rank_entrants(first_entrant, entrant("b", first(99))).rows[0].macro_f1 == pytest.approx(expected)


def test_the_page_is_self_contained_and_shows_names_as_text() -> None:
    names: dict[str, Any] = {"<script>alert(1)</script>": 100.0, "MobileNetV2, image_size 150": 10.0}
    page = render_leaderboard(
        rank_entrants(
            *(entrant(name, first(10), ms=ms) for name, ms in names.items()),
            left_out=("VGG16: its weights are <missing>.",),
        )
    )
    assert "<script>alert" not in page
    assert "MobileNetV2, image_size 150" in page
    assert "its weights are &lt;missing&gt;." in page
    assert "<svg" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_a_leaderboard_survives_a_round_trip_through_params() -> None:
    from components.contract.params.pipeline import EvaluateParams, dump_section, parse_section

    params = EvaluateParams(leaderboard=rank_entrants(entrant("a", [first(3), first(4)]), entrant("b", first(9))))
    assert parse_section(EvaluateParams, dump_section(params)) == params


@pytest.mark.parametrize(
    "entrants",
    [
        [entrant("perfect", first(0), ms=9)],
        [entrant("perfect", first(0), ms=9), entrant("also perfect", first(0), ms=9.5)],
        [entrant("MobileNetV3Small_head_5_epochs", first(1), ms=1), entrant("EfficientNetV2B0_all_layers", [], ms=900)],
        [entrant(f"a model with a long name, number {number}", first(number), ms=10 + number) for number in range(8)],
        [entrant("good", first(2), ms=5), entrant("chance", first(150), ms=6)],
    ],
)
def test_the_chart_has_distinct_ticks_and_names_within_the_picture(entrants: list[Entrant]) -> None:
    figure = front_chart(rank_entrants(*entrants))
    figure.draw_without_rendering()
    (axes,) = figure.axes
    for axis in (axes.xaxis, axes.yaxis):
        low, high = axis.get_view_interval()
        labels = [tick.label1.get_text() for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
        assert len(labels) == len(set(labels)) >= 2
    for text in axes.texts:
        box = text.get_window_extent()
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1
