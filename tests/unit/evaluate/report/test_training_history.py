"""How the report describes the phases and the augmentation of training."""

import io
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from components.contract.params.augmentation import AugmentationParams
from components.contract.params.pipeline import TrainParams
from components.evaluate.report.augmentation import NEVER_VARIED, PHRASES, augmentation_sentences
from components.evaluate.report.charts.figures import inline_svg
from components.evaluate.report.html import render
from components.evaluate.report.training_history import Phase, build_phases, phase_settings
from tests.unit.evaluate.report.contents import TWO_PHASES, Page, content


@pytest.mark.parametrize(
    ("marks", "settings", "expected"),
    [
        ([], [], ()),
        ([1, 1, 1], [{"epochs": 3}], ()),
        ([1, 1, 2], [], (Phase("1", (1, 2)), Phase("2", (3, 3)))),
        (
            *TWO_PHASES,
            (
                Phase("head", (1, 2), "epochs 2, learning_rate 0.001"),
                Phase("all", (3, 3), "epochs 5, optimizer.kind sgd"),
            ),
        ),
        ([1, 1], [{"epochs": 2}, {"epochs": 5}], (Phase("1", (1, 2), "epochs 2"), Phase("2", None, "epochs 5"))),
    ],
)
def test_phases_come_from_the_epochs_and_from_the_params(
    marks: list[float | str], settings: list[dict[str, Any]], expected: tuple[Phase, ...]
) -> None:
    assert build_phases(marks, settings) == expected


@pytest.mark.parametrize(
    ("phases", "expected"),
    [
        ("auto", []),
        (
            ({"trainable": "head", "epochs": 2}, {"trainable": "last 3", "learning_rate": 0.1}),
            [{"trainable": "head", "epochs": 2}, {"trainable": "last 3", "learning_rate": 0.1}],
        ),
    ],
)
def test_a_phase_shows_the_values_that_differ_from_the_train_section(
    phases: Any, expected: list[dict[str, Any]]
) -> None:
    params = TrainParams(phases=phases)
    resolved_params = params if phases == "auto" else params.model_copy(update={"phases": params.all_phases})
    assert phase_settings(resolved_params.model_dump(mode="json")) == expected


def test_phases_are_reported_and_marked_in_the_curves() -> None:
    report_content = content(phases=TWO_PHASES, params={"model": {"kind": "layers"}, "phases": TWO_PHASES[1]})
    page = Page(render(report_content))
    page_text = " ".join(page.text.split())
    for phrase in (
        "Phases",
        "head1–2epochs 2, learning_rate 0.001",
        "all3epochs 5, optimizer.kind sgd",
        "phases.2.optimizer.kind",
    ):
        assert phrase in page_text, phrase
    svg = inline_svg(report_content.charts["loss_curve"], "described", "loss")
    assert ">head</text>" in svg
    assert ">all</text>" in svg
    assert ">head</text>" not in inline_svg(content().charts["loss_curve"], "described", "loss")


def test_augmentation_is_described_and_shown() -> None:
    file = io.BytesIO()
    Image.new("RGB", (880, 100), "red").save(file, "jpeg")
    report_content = replace(content(params={"augmentation": "medium"}), variants=file.getvalue())
    page_text = " ".join(Page(render(report_content)).text.split())
    assert (
        "(augmentation: medium): mirrored, rotated by up to 15°, zoomed by up to 15 %, shifted by up to 8 %"
        in page_text
    )
    assert "Eight augmented versions of one training photo" in render(report_content)
    unvaried = replace(content(params={"augmentation": "none"}), variants=file.getvalue())
    assert "Eight augmented versions" not in render(unvaried), "eight identical photos must not be shown"
    assert "Augmentation" not in Page(render(content())).text


@pytest.mark.parametrize(
    ("params", "sentences"),
    [
        ({}, []),
        ({"augmentation": "none"}, ["During training, the photos were used without augmentation."]),
        (
            {"augmentation": {"blur": 1.5, "erasing": 0.25}, "mixup": 0.2},
            [
                "During training, the photos were changed at random: blurred by up to 1.5 px, erased in a "
                "random rectangle (25 % of the photos), mixed with others (mixup, α 0.2).",
                NEVER_VARIED,
            ],
        ),
        (
            {"augmentation": "none", "phases": [{"epochs": 2}, {"augmentation": {"noise": 0.05}}]},
            [
                "In training phase 1, the photos were used without augmentation.",
                "In training phase 2, the photos were changed at random: overlaid with up to 5 % noise.",
                NEVER_VARIED,
            ],
        ),
    ],
)
def test_each_phase_describes_its_augmentation(params: dict[str, Any], sentences: list[str]) -> None:
    assert augmentation_sentences(params) == sentences


def test_every_augmentation_setting_has_a_description() -> None:
    assert set(PHRASES) == set(AugmentationParams.model_fields)
