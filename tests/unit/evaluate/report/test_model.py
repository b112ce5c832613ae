"""The model card, and the caveats, commands and formatted numbers that the report's page and PDF share."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.contract.artifacts.dataset import Source
from components.contract.artifacts.figures import Interval
from components.contract.pages.pictures import data_uri, thumbnail
from components.contract.params.pipeline import TrainParams, load_params
from components.evaluate.formatting import file_size, interval, percent
from components.evaluate.report.model import Content, reproduce_commands, reproduce_params
from components.evaluate.report.model_card import render_card
from tests.unit.evaluate.report.contents import content

LOOKS = (
    "12 models have been scored on these test photos. The result of the best one is partly luck; new "
    "test photos would show how much."
)


@pytest.mark.parametrize(
    ("report_content", "phrase"),
    [
        (content(per_class=10), "only 30 test photos"),
        (content(accuracy=1.0), "does not mean no errors on others: an error rate of up to 3.1 %"),
        (content(accuracy=0.0), "the model is not significantly better"),
        (content(dataset_fingerprint="b" * 64), "different version of the data"),
    ],
)
def test_caveats_are_reported(report_content: Content, phrase: str) -> None:
    assert any(phrase.casefold() in caveat.casefold() for caveat in report_content.caveats), report_content.caveats


def test_the_only_caveat_of_a_sound_model_is_the_reuse_of_the_test_photos() -> None:
    assert content().caveats == [LOOKS]


def test_an_evaluation_without_mlflow_reports_that_it_is_not_counted() -> None:
    report_content = content()
    outside = replace(report_content, evaluation=report_content.evaluation.model_copy(update={"mlflow_run_id": None}))
    assert any("will not count it as a use" in caveat for caveat in outside.caveats)


def test_commands_leave_out_unknown_values() -> None:
    report_content = content()
    bare = report_content.dataset.model_copy(update={"source": Source(uri="photos")})
    evaluation = report_content.evaluation.model_copy(update={"mlflow_run_id": None})
    bare_content = replace(report_content, evaluation=evaluation, dataset=bare)
    assert reproduce_commands(bare_content) == "darkroom run --params params.yaml --data photos"


def test_the_params_in_the_report_are_valid(tmp_path: Path) -> None:
    train = TrainParams(epochs=7, batch_size=16)
    report_content = content(num_photos=0, params=train.model_dump(mode="json"))
    (tmp_path / "params.yaml").write_text(reproduce_params(report_content))
    loaded = load_params(tmp_path / "params.yaml", ("data.uri=photos",))
    assert loaded.train == train
    assert loaded.evaluate == report_content.params
    assert (loaded.deploy.model_name, loaded.preprocess.image_size) == ("pets", (32, 32))


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, "0 %"), (1.0, "100 %"), (0.9999, "100.0 %"), (0.12345, "12.3 %"), (None, "–")]
)
def test_percentages_are_short_and_show_rounding(share: float | None, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(("num_bytes", "text"), [(9_600, "10 kB"), (592_000, "592 kB"), (9_040_000, "9.0 MB")])
def test_file_sizes_are_short(num_bytes: int, text: str) -> None:
    assert file_size(num_bytes) == text


def test_intervals_name_their_unit_once() -> None:
    assert interval(Interval(value=1.0, low=0.903, high=1.0)) == "90.3–100 %"


@pytest.mark.parametrize(("side", "start"), [(8, "data:image/png"), (96, "data:image/png"), (97, "data:image/jpeg")])
def test_only_tiny_pictures_are_stored_without_loss(side: int, start: str) -> None:
    assert data_uri(*thumbnail(np.zeros((side, side, 3), np.uint8))).startswith(start)


def test_the_model_card_is_markdown_that_no_name_can_break() -> None:
    card = render_card(content(("a|b", "[x](http://evil)", "*c*")))
    assert card.startswith("# pets\n")
    assert "a\\|b" in card
    assert "\\[x\\](http://evil)" in card
    assert "\\*c\\*" in card
    for phrase in ("**Verdict: first.**", "accuracy | ", "darkroom serve", "## Intended use", "git `" + "f" * 40):
        assert phrase in card, phrase
