"""Names with characters that control terminals, or hide or reorder text, are escaped in terminals, pages and logs."""

import os
import subprocess
import sys
import unicodedata
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.source_tree import ROOT

JOINERS = "\u200c\u200d"
UNCHANGED = (
    "=cmd|calc",
    "[red]x[/red]",
    "[link=x]y[/link]",
    "[/]",
    ":cat:",
    "%s{x}",
    "Äpfel",
    "猫",
    "👩\u200d🚀",
    "می\u200cخواهم",
)
NAMES = (
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "a\rb",
    "line\nbreak",
    "c1\x9b31m",
    "nel\x85x",
    "del\x7f",
    "\u202egnp.exe",
    "iso\u2066x\u2069",
    "zero\u200bwidth",
    "ls\u2028x",
    "\ufeffbom",
    "tab\tx",
    "latin\udce9",
    *UNCHANGED,
)


def harmful(text: str) -> set[str]:
    """Returns the characters of a string that must not be shown."""
    bad = ("Cc", "Cf", "Cs", "Zl", "Zp")
    return {char for char in text if char not in f"\n\t{JOINERS}" and unicodedata.category(char) in bad}


def darkroom(*arguments: str, cwd: Path) -> tuple[int, str, str]:
    """Runs a command and checks that its output is harmless; returns exit code, standard output and standard error."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "400", "DARKROOM_CACHE": str(cwd / "cache")}
    result = subprocess.run(
        [sys.executable, "-m", "pipelines.cli.main", *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        check=False,
    )
    output, errors = (stream.decode("utf-8", "surrogateescape") for stream in (result.stdout, result.stderr))
    assert harmful(output) == set(), output
    assert harmful(errors) == set(), errors
    assert result.returncode in (0, 2), errors
    return result.returncode, output, errors


def save_photo(path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = rng.integers(0, 90, (24, 24, 3)).astype(np.uint8)
    pixels[seed % 16 : seed % 16 + 6, 4:20, seed % 3] = 255
    with path.open("wb") as file:
        Image.fromarray(pixels).save(file, "PNG")


def make_data(folder: Path, per_class: int) -> Path:
    """Creates a class folder for each name, with photos whose file names contain other names, and a broken photo."""
    for number, name in enumerate(NAMES):
        name = name.replace("/", "_")
        for photo in range(per_class):
            other = NAMES[(number + photo) % len(NAMES)].replace("/", "_")
            save_photo(folder / name / f"{photo}{other}.png", 100 * number + photo)
        (folder / name / f"broken{name}.jpg").write_bytes(b"\xff\xd8no")
    return folder


def test_an_audit_escapes_foreign_names(tmp_path: Path) -> None:
    data = make_data(tmp_path / "set\x1b[31m[red]", per_class=4)
    _, output, _ = darkroom("audit", str(data), "--output", "out\x1b[31m\udce9", cwd=tmp_path)
    assert r"Report: out\x1b[31m\udce9/audit.html" in output
    page = (tmp_path / "out\x1b[31m\udce9" / "audit.html").read_text(encoding="utf-8")
    assert harmful(page) == set()
    for name in ("Äpfel", "猫", "👩\u200d🚀", "می\u200cخواهم", r"\u202egnp.exe", r"\x1b[31mred\x1b[0m"):
        assert name in page, name
    code, output, _ = darkroom("audit", str(data), "--json", cwd=tmp_path)
    assert code == 0
    assert "👩\u200d🚀" in output


def test_messages_about_tables_archives_and_params_escape_foreign_text(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('path,label\n"x\x1b[31m.png","\x1b[31mred\r"\n=cmd,\u202e\n', encoding="utf-8")
    assert darkroom("audit", "t.csv", cwd=tmp_path)[0] == 2
    (tmp_path / "s.csv").write_text("path,label,split\na,b,ev\x1b[31mil\n", encoding="utf-8")
    assert r"ev\x1b[31mil" in darkroom("audit", "s.csv", cwd=tmp_path)[2]
    with zipfile.ZipFile(tmp_path / "z\x1b[31m.zip", "w") as archive:
        archive.writestr("a/\x1b[31m\u202e.png", b"no")
        archive.writestr("../\x1b[31mout.png", b"no")
    assert r"z\x1b[31m.zip" in darkroom("audit", "z\x1b[31m.zip", cwd=tmp_path)[2]
    params = 'train:\n  "\\e[31mepochs": 1\n  model: {kind: "\\e]0;x\\a\\u202e"}\n'
    (tmp_path / "p.yaml").write_text(params, encoding="utf-8")
    assert r"\x1b[31mepochs" in darkroom("audit", "t.csv", "--params", "p.yaml", cwd=tmp_path)[2]


@pytest.mark.parametrize(
    "arguments", [("\x1b[31m\udce9",), ("audit", "\x1b[31m\udce9"), ("audit", "x", "--set", "a\x1b=\udce9\u202e")]
)
def test_arguments_are_escaped_in_messages(arguments: tuple[str, ...], tmp_path: Path) -> None:
    assert darkroom(*arguments, cwd=tmp_path)[0] == 2


def test_a_data_folder_whose_name_is_not_utf8_is_reported(tmp_path: Path) -> None:
    data = make_data(tmp_path / "caf\udce9", per_class=1)
    for path in (str(data), data.name):
        assert "must be UTF-8" in darkroom("audit", path, cwd=tmp_path)[2]
    (tmp_path / "link").symlink_to(data)
    assert "must be UTF-8" in darkroom("audit", "link", cwd=tmp_path)[2]


@pytest.mark.proof
def test_a_run_escapes_foreign_names(tmp_path: Path) -> None:
    data = make_data(tmp_path / "set\x1b[31m[red]", per_class=12)
    small = ("--set", "train.epochs=1", "--set", "train.batch_size=64")
    assert darkroom("run", "--data", str(data), *small, cwd=tmp_path)[0] == 0
    run = tmp_path / "runs" / "latest"
    for name in ("log.txt", "evaluation/report.html", "evaluation/model_card.md", "events.jsonl", "params.yaml"):
        assert harmful((run / name).read_text(encoding="utf-8")) == set(), name
    report = (run / "evaluation" / "report.html").read_text(encoding="utf-8")
    for name in ("Äpfel", "猫", "👩\u200d🚀", "می\u200cخواهم"):
        assert name in report, name
    darkroom("runs", cwd=tmp_path)
    _, table, _ = darkroom("predict", str(data), cwd=tmp_path)
    for folder_name in (name.replace("/", "_") for name in UNCHANGED):
        assert folder_name in table, folder_name
    assert "probability_=cmd|calc" in table.splitlines()[0]
    assert all(not row.startswith(("=", "+", "-", "@")) for row in table.splitlines())
    assert darkroom("predict", str(data), "--output", "out\x1b.csv", cwd=tmp_path)[0] == 0
