"""`darkroom model check` reports whether a model can be used, and `darkroom model summary` describes a network."""

import json
from pathlib import Path

import pytest

from pipelines.cli.frame import CommandLineError
from pipelines.cli.main import call
from tests.cases.hostile_models import HOSTILE
from tests.cases.hostile_models.attack import Attack


def check(*arguments: str) -> int:
    return call(["model", "check", *arguments])


@pytest.fixture
def attack(tmp_path: Path) -> Attack:
    return Attack(tmp_path, tmp_path / "marker.txt", 9, tmp_path)


def test_a_rejected_model_is_reported_with_the_reason(attack: Attack, capsys: pytest.CaptureFixture[str]) -> None:
    path = HOSTILE["lambda_at_top"][0](attack)
    assert check(str(path)) == 2
    assert "Lambda: it contains custom code" in capsys.readouterr().out


def test_json_contains_the_verdict_and_the_reason(attack: Attack, capsys: pytest.CaptureFixture[str]) -> None:
    path = HOSTILE["weights_of_nan"][0](attack)
    assert check(str(path), "--json") == 2
    report = json.loads(capsys.readouterr().out)
    assert report["accepted"] is False
    assert report["model"] is None
    assert "NaN" in report["reason"]


@pytest.mark.parametrize("size", ["224", "0x10", "axb", "10x"])
def test_an_invalid_image_size_is_refused(size: str) -> None:
    with pytest.raises(CommandLineError, match=f"HEIGHTxWIDTH in pixels is expected.*found '{size}'"):
        check("model.h5", "--image-size", size)


def test_summary_prints_the_network_and_draws_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(
        "data: {uri: absent}\ntrain: {model: {layers: [{Conv2D: {filters: 4, kernel_size: 3}}, GlobalMaxPooling2D]}}"
    )
    assert call(["model", "summary", "--classes", "5", "--output", "drawn/network.svg"]) == 0
    output = capsys.readouterr().out
    assert "conv2d_1 (Conv2D)" in output
    assert "126 × 126 × 4" in output
    assert "137 parameters, 0.0 MiB; about 1.7 million multiply-adds per photo." in output
    assert (tmp_path / "drawn" / "network.svg").read_text().startswith("<svg")
