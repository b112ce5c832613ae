"""Setting the params of a draft from a params.yaml file or from a command."""

from pathlib import Path

import pytest

from pipelines.studio.draft.params_text import parse_command, parse_text
from tests.support.source_tree import ROOT


def test_the_committed_params_yaml_differs_from_the_defaults_only_in_its_data() -> None:
    assert parse_text((ROOT / "params.yaml").read_text()) == {"data": {"uri": "data/digits"}}


@pytest.mark.parametrize(
    ("text", "train"),
    [
        ("train: {label_smoothing: 0.0, views: auto}", {"label_smoothing": 0.0}),
        ("train: {early_stopping: {patience: 10}, seed: 42}", {"early_stopping": {"patience": 10, "min_delta": 0.0}}),
        ("train: {phases: auto, epochs: 40}", {"epochs": 40}),
    ],
)
def test_an_explicit_default_is_kept_if_a_preset_would_change_it(text: str, train: object) -> None:
    assert parse_text(text) == {"train": train}


def test_a_command_may_name_a_preset_and_a_time_limit() -> None:
    tree = parse_command("darkroom run --data photos --preset fast --minutes 2.5 --set train.seed=1", Path)
    assert tree == {"data": {"uri": "photos"}, "train": {"preset": "fast", "minutes": 2.5, "seed": 1}}
