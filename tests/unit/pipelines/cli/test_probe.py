"""`darkroom model probe` prints a table or JSON."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from components.contract.artifacts.figures import Interval
from components.contract.artifacts.probe import Probe, ProbedNetwork
from components.contract.params.resolve import Resolution
from pipelines.cli.main import call
from tests.support.artifacts import make_photos

PROBE = Probe(
    networks=(
        ProbedNetwork(
            candidate="VGG16",
            name="VGG16",
            input_size=(224, 224),
            accuracy=Interval(value=0.854, low=0.831, high=0.875),
            ms_per_photo=66.7,
            is_tied=True,
        ),
        ProbedNetwork(candidate="/net.keras", name="net.keras", reason="no weights"),
    ),
    num_photos=1000,
    chosen="VGG16",
    why="VGG16: no other is as accurate.",
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Replaces the probe, which the tests of components.train cover, and returns the arguments of its last call."""
    asked: dict[str, Any] = {}

    def probe_networks(
        data: str | None,
        params: Path | None,
        settings: Iterable[str],
        *,
        candidates: tuple[str, ...],
        show: Callable[[Resolution], None],
    ) -> Probe:
        asked.update(data=data, params=params, settings=tuple(settings), candidates=candidates)
        return PROBE

    monkeypatch.setattr("pipelines.models.probe.probe_networks", probe_networks)
    return asked


def test_the_table_names_each_network_and_the_choice(asked: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["model", "probe", "--data", "photos", "--candidate", "VGG16", "--candidate", "net.keras"]) == 0
    assert asked["candidates"] == ("VGG16", "net.keras")
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["VGG16", "224", "×", "224", "85.4", "%", "83.1", "to", "87.5", "66.7", "*"]
    assert lines[2].split() == ["net.keras", "not", "probed:", "no", "weights"]
    assert lines[-1] == "train.model.name: auto became VGG16: no other is as accurate."


def test_json_contains_all_results(asked: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["model", "probe", "--data", "photos", "--set", "train.preset=fast", "--json"]) == 0
    assert asked["settings"] == ("train.preset=fast",)
    assert Probe.model_validate_json(json.dumps(json.loads(capsys.readouterr().out))) == PROBE


def test_an_unknown_candidate_is_refused_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_photos(tmp_path / "photos", per_class=4)
    with pytest.raises(Exception, match=r"there is no backbone or file MobilNetV2 \(did you mean MobileNetV2\?\)"):
        call(["model", "probe", "--data", "photos", "--candidate", "MobilNetV2"])
    assert not (tmp_path / ".darkroom").exists()
