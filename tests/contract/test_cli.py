"""The command line: its verbs, its exit codes, and the messages for commands that are refused before any work."""

import json
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.artifacts import make_photos
from tests.support.command_line import parse
from tests.support.source_tree import ROOT

VERBS = (
    "run",
    "compile",
    "ui",
    "serve",
    "predict",
    "trace",
    "drift",
    "runs",
    "clean",
    "audit",
    "data",
    "model",
    "lr-find",
    "finish",
    "promote",
    "package",
    "compare",
    "submit",
    "schedules",
    "images",
    "studio",
)


def darkroom(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "pipelines.cli.main", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("verb", [(), *((verb,) for verb in VERBS)], ids=lambda verb: " ".join(verb) or "darkroom")
def test_every_verb_has_help(verb: tuple[str, ...], tmp_path: Path) -> None:
    result = darkroom(*verb, "--help", cwd=tmp_path)
    assert result.returncode == 0
    assert "Usage: darkroom" in result.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run"], "Set the photos with --data or in a params.yaml"),
        (["run", "--data", "absent"], "absent"),
        (["run", "--params", "absent.yaml"], "absent.yaml"),
        (["run", "--data", "photos", "--set", "train.epoch=3"], "train.epoch: unknown key (did you mean epochs?)"),
        (["run", "--data", "photos", "--set", "train.epochs=0"], "train.epochs: expected greater than or equal to 1"),
        (["run", "--data", "photos", "--minutes", "0"], "a number of minutes above 0 is expected; found '0'"),
        (["run", "--data", "photos", "--minutes", "soon"], "a number of minutes above 0 is expected; found 'soon'"),
        (
            ["run", "--data", "photos", "--minutes", "5", "--set", "tune.trials=3"],
            "train.minutes must be null if tune.trials searches for params; it is 5.",
        ),
        (["run", "--data", "photos", "--set", "train.model.layers=[{Dense: {units: 4}}]"], "cannot be used here"),
        (["compile", "--data", "photos", "--output", "pipeline.txt"], "must end in .yaml or .json"),
        (["serve"], "There is no finished run at runs/latest"),
        (["predict", "photos"], "There is no finished run at runs/latest"),
        (["drift", "photos"], "There is no finished run at runs/latest"),
        (["drift", "photos", "--since", "yesterday"], "a date such as 2026-01-31 is expected"),
        (["serve", "--api-key-file", "absent"], "must name a readable file that contains the key"),
        (["serve", "--log-share", "2"], "a number from 0 to 1 is expected"),
        (["serve", "--port", "0"], "a port from 1 to 65535 is expected"),
        (["clean", "--keep", "-1"], "--keep"),
        (
            ["package", "--pretrained", "MobileNet9"],
            "found 'MobileNet9' (did you mean MobileNetV2?)",
        ),
        (["compare"], "A comparison needs at least two models; there are none."),
        (["compare", "20200101-000000-abcd"], "There is no finished run at runs/20200101-000000-abcd"),
        (["compare", "--data", "photos", "--try", "train.epochs=1"], "needs at least two models; there is one"),
        (["compare", "--data", "photos", "--try", "train.epoch=1"], "train.epoch: unknown key"),
        (["compare", "--seeds", "0"], "a number from 1 to 100 is expected"),
        (["develop"], "There is no verb 'develop'"),
    ],
)
def test_a_user_error_exits_with_2_and_one_message(arguments: list[str], message: str, tmp_path: Path) -> None:
    make_photos(tmp_path / "photos", per_class=4)
    result = darkroom(*arguments, cwd=tmp_path)
    assert result.returncode == 2, result.stderr
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "runs").exists(), "the command must be refused before any work"


def test_a_busy_port_is_reported_with_advice(tmp_path: Path) -> None:
    with socket.socket() as busy_socket:
        busy_socket.bind(("127.0.0.1", 0))
        busy_socket.listen()
        port = busy_socket.getsockname()[1]
        result = darkroom("ui", "--port", str(port), cwd=tmp_path)
    assert result.returncode == 2
    assert f"The port {port} on 127.0.0.1 cannot be used" in result.stderr
    assert f"darkroom ui --port {port + 1}" in result.stderr


def test_compile_writes_the_pipeline(tmp_path: Path) -> None:
    make_photos(tmp_path / "photos", per_class=4)
    result = darkroom("compile", "--data", "photos", "--output", "deep/training.yaml", "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["output"] == "deep/training.yaml"
    assert "darkroom-training" in (tmp_path / "deep" / "training.yaml").read_text()


def test_a_folder_without_runs_is_reported(tmp_path: Path) -> None:
    assert "There are no runs in this folder" in darkroom("runs", cwd=tmp_path).stdout
    assert json.loads(darkroom("runs", "--json", cwd=tmp_path).stdout) == []
    assert "There is nothing to remove" in darkroom("clean", cwd=tmp_path).stdout


def documented_commands() -> list[str]:
    """Returns the commands in the README and the guides."""
    lines = [
        line for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")) for line in path.read_text().splitlines()
    ]
    return sorted({line.partition("   #")[0].strip() for line in lines if line.startswith("darkroom ")})


@pytest.mark.parametrize("line", documented_commands())
def test_every_documented_command_can_be_parsed(line: str) -> None:
    words = shlex.split(re.sub(r"<[^>]+>|…", "x", line.replace(" …", "")), comments=True)
    parse(words[1:])


def test_the_guides_show_commands() -> None:
    assert len(documented_commands()) > 30
