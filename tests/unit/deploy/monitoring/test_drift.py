"""Real drift is detected, and photos without drift are not reported."""

from datetime import date
from html import escape
from pathlib import Path

import numpy as np
import pytest

from components.deploy.monitoring.drift import MIN_PHOTOS, SIGNIFICANCE, Traits, compare, separation
from components.deploy.monitoring.drift_report import write_report
from pipelines.serving import propose_labeling

NAMES = ("cat", "dog")


def traits(rng: np.random.Generator, number: int, *, light: float = 120, sure: float = 0.8, shift: float = 0) -> Traits:
    return Traits(
        rng.normal(light, 30, number).astype(np.float32),
        np.clip(rng.normal(sure, 0.1, number), 0, 1).astype(np.float32),
        (rng.normal(0, 1, (number, 40)) + shift).astype(np.float32),
        rng.choice(NAMES, number).tolist(),
    )


@pytest.mark.parametrize("seed", range(20))
def test_photos_from_the_same_distribution_are_not_reported_as_drift(seed: int) -> None:
    rng = np.random.default_rng(seed)
    drift = compare(traits(rng, 300), traits(rng, 200), NAMES, rng)
    assert drift.verdict == "no drift", drift.reason
    assert not any(signal.drifted for signal in drift.signals)


@pytest.mark.parametrize(
    ("changes", "signal", "word"),
    [
        ({"light": 70}, "brightness", "darker"),
        ({"light": 170}, "brightness", "brighter"),
        ({"sure": 0.6}, "confidence", "Confidence is lower"),
        ({"shift": 0.4}, "embeddings", "The content of the photos differs"),
    ],
)
def test_each_change_is_detected_by_its_signal(changes: dict[str, float], signal: str, word: str) -> None:
    rng = np.random.default_rng(0)
    drift = compare(traits(rng, 300), traits(rng, 200, **changes), NAMES, rng)
    assert drift.verdict == "drift"
    assert [entry.name for entry in drift.signals if entry.drifted] == [signal]
    assert word in drift.reason


def test_a_significant_but_tiny_change_is_not_drift() -> None:
    rng = np.random.default_rng(0)
    drift = compare(traits(rng, 2000), traits(rng, 2000, light=126), NAMES, rng)
    brightness = drift.signals[0]
    assert brightness.p_value < SIGNIFICANCE / 3
    assert not brightness.drifted
    assert drift.verdict == "no drift"


@pytest.mark.parametrize(("reference", "served"), [(MIN_PHOTOS - 1, 500), (500, MIN_PHOTOS - 1)])
def test_too_few_photos_are_reported(reference: int, served: int) -> None:
    rng = np.random.default_rng(0)
    drift = compare(traits(rng, reference), traits(rng, served, light=10), NAMES, rng)
    assert drift.verdict == "cannot tell"
    assert str(MIN_PHOTOS - 1) in drift.reason
    assert drift.signals == ()


def test_identical_photos_cannot_be_separated() -> None:
    rng = np.random.default_rng(2)
    share, p_value = separation(np.ones((60, 5)), np.ones((70, 5)), rng)
    assert share == pytest.approx(0.5)
    assert p_value == pytest.approx(0.5)


def test_the_report_is_self_contained_and_escapes_names(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    reference, served = traits(rng, 300), traits(rng, 200, light=60)
    drift = compare(reference, served, NAMES, rng)
    command = "darkroom data next --from '<log>'"
    names = {"name": "<b>pets</b>:1", "source": "the log in x"}
    write_report(tmp_path / "drift.html", drift, reference, served, command=command, **names)
    page = (tmp_path / "drift.html").read_text()
    assert escape(command) in page
    assert "FOLDER" not in page
    assert "darker" in page
    assert "<b>pets" not in page
    assert "http://" not in page
    assert "https://" not in page


def test_the_proposed_command_names_run_and_start_date_and_the_report_explains_its_placeholder(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    reference, served = traits(rng, 300), traits(rng, 200, light=60)
    command = propose_labeling(Path("my log"), "20261121-091520-47ff", date(2026, 11, 1), is_log=True)
    assert command == (
        "darkroom data next --from 'my log' --photos FOLDER --since 2026-11-01 --run 20261121-091520-47ff "
        "--count 50 --output next"
    )
    drift = compare(reference, served, NAMES, rng)
    write_report(tmp_path / "drift.html", drift, reference, served, name="x", source="y", command=command)
    assert "FOLDER must contain the photos that you sent" in (tmp_path / "drift.html").read_text()
    photos_command = propose_labeling(Path("photos"), "run", None, is_log=False)
    assert photos_command == "darkroom data next --from photos --run run --count 50 --output next"


def test_too_few_photos_still_get_a_report(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    reference, served = traits(rng, 300), traits(rng, 3)
    write_report(
        tmp_path / "drift.html", compare(reference, served, NAMES, rng), reference, served, name="x", source="y"
    )
    assert "Cannot tell" in (tmp_path / "drift.html").read_text()
