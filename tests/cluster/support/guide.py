"""Reads and runs the ten commands of the guide, docs/kubernetes.md, as written there."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.support.source_tree import ROOT

GUIDE = ROOT / "docs" / "kubernetes.md"
HEADING = "## From an empty cluster to a prediction"
COMMAND = re.compile(
    r"^# (?P<number>\d+)\. .*?(?:\((?P<needs>kind|network|KFP)\))?\n(?P<command>[^#\n].*)$", re.MULTILINE
)


def commands() -> dict[int, str]:
    """Number → command."""
    return {int(match["number"]): match["command"] for match in COMMAND.finditer(_section())}


def needs() -> dict[int, str]:
    """Number → what the command needs besides a cluster; contains only the commands that the guide marks."""
    return {int(match["number"]): match["needs"] for match in COMMAND.finditer(_section()) if match["needs"]}


def run(number: int, **replacements: str) -> str:
    """Runs a command of the guide, and returns its output when it has finished.

    Args:
        number: the number of the command.
        replacements: word of the command → the text that replaces it.
    """
    command = commands()[number]
    for word, text in replacements.items():
        assert word in command, f"{word} is not in command {number}: {command}"
        command = command.replace(word, text)
    return _run(command)


def run_block(heading: str) -> str:
    """Runs the first block of commands in a section, and returns its output."""
    match = re.search(r"```sh\n(.*?)```", _section(heading), re.DOTALL)
    assert match is not None, heading
    return _run(match[1])


def _run(script: str) -> str:
    result = subprocess.run(["bash", "-ec", script], capture_output=True, text=True, check=False, cwd=ROOT)
    assert result.returncode == 0, f"{script}\n{result.stderr}"
    return result.stdout


def compile_pipeline(output: Path, weights: str, *options: str) -> Path:
    """Writes the pipeline that command 8 submits.

    Args:
        output: the file to write.
        weights: the name of the weights file.
        options: further options, which take precedence over the guide's.
    """
    words = shlex.split(commands()[8].replace("FILE.h5", weights))
    assert words[:2] == ["darkroom", "submit"]
    command = [sys.executable, "-P", "-m", "pipelines.cli.main", *words[1:], *options, "--output", str(output)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    return output


def _section(heading: str = HEADING) -> str:
    return GUIDE.read_text().partition(heading)[2].partition("\n## ")[0]
