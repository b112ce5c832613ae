"""Untrusted text: harmful characters are escaped, and normal text is unchanged."""

import io
import json
import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.contract.errors import DataError, ImageError
from components.contract.text import (
    csv_cell,
    escape_log_records,
    from_csv_cell,
    json_text,
    printable,
)

HARMFUL = {
    "a\x1b[31mb": r"a\x1b[31mb",
    "title\x1b]0;x\x07": r"title\x1b]0;x\x07",
    "a\rb": r"a\rb",
    "a\nb": r"a\nb",
    "a\tb": r"a\tb",
    "nul\x00": r"nul\x00",
    "del\x7f": r"del\x7f",
    "c1\x9b31m": r"c1\x9b31m",
    "next\x85line": r"next\x85line",
    "bidi\u202egnp.exe": r"bidi\u202egnp.exe",
    "isolate\u2066x\u2069": r"isolate\u2066x\u2069",
    "mark\u200fx": r"mark\u200fx",
    "zero\u200bwidth": r"zero\u200bwidth",
    "joined\u200dlatin": r"joined\u200dlatin",
    "🚀\u200d": r"🚀\u200d",
    "bom\ufeff": r"bom\ufeff",
    "line\u2028separator": r"line\u2028separator",
    "filler\u3164": r"filler\u3164",
    "none\uffff": r"none\uffff",
    "tag\U000e0041": r"tag\U000e0041",
    "latin\udce9": r"latin\udce9",
}
HARMLESS = (
    "cats/0001.jpg",
    "Äpfel",
    "A\u0308pfel",
    "猫",
    "한국어",
    "日本\u3000語",
    "10\u00a0€",
    "עברית",
    "می\u200cخواهم",
    "क्\u200dष",
    "👩\u200d🚀",
    "👩🏽\u200d🚀",
    "❤\ufe0f\u200d🔥",
    "🏳\ufe0f\u200d🌈",
    r"C:\new",
    "\\x1b",
    "\uf8ff",
    "[red]",
    ":cat:",
    "%s",
)


@pytest.mark.parametrize("text", HARMFUL)
def test_characters_that_control_hide_or_reorder_text_are_escaped(text: str) -> None:
    assert printable(text) == HARMFUL[text]


@pytest.mark.parametrize("text", HARMLESS)
def test_normal_text_is_unchanged(text: str) -> None:
    assert printable(text) == text == str(DataError(text)) == json.loads(json_text(text))
    assert json_text(text) == json.dumps(text, ensure_ascii=False)


@given(st.text(st.characters(codec=None)))
def test_escaping_again_changes_nothing_and_json_preserves_all_text(text: str) -> None:
    escaped = printable(text)
    assert printable(escaped) == escaped
    escaped.encode()
    assert json.loads(json_text({"x": text}, indent=2)) == {"x": text}
    json_text(text).encode()
    assert from_csv_cell(csv_cell(text)) == text


def test_messages_keep_line_breaks_and_tabs_but_no_other_control_characters() -> None:
    assert str(DataError("one\n\ttwo\r\x1b[2J")) == "one\n\ttwo\\r\\x1b[2J"
    assert str(ImageError("code", "\u202e")) == r"\u202e"


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1", "-1.jpg", "@x", "\tx", "\r=x", "'=x", "''-x"])
def test_a_cell_that_looks_like_a_formula_is_escaped(text: str) -> None:
    assert csv_cell(text) == f"'{text}"
    assert from_csv_cell(csv_cell(text)) == text


@pytest.mark.parametrize("text", ["cats", "'quoted'", "", "a=b", "1-2"])
def test_other_cells_are_unchanged(text: str) -> None:
    assert csv_cell(text) == text == from_csv_cell(text)


def test_log_records_cannot_forge_lines_or_colors() -> None:
    factory, hook = logging.getLogRecordFactory(), sys.excepthook
    stream = io.StringIO()
    logger = logging.Logger("test")
    logger.addHandler(logging.StreamHandler(stream))
    try:
        escape_log_records()
        name = "x\n12:00 all is well\x1b[31m"
        logger.warning("Rejected %s: %d\nsecond line", name, 3)
        logger.warning("Rejected %(name)s", {"name": name})
        logger.warning("100 %s without arguments \x07")
        try:
            raise ValueError(name)  # noqa: TRY301 - the test needs a traceback in the log
        except ValueError:
            logger.exception("Failed")
    finally:
        logging.setLogRecordFactory(factory)
        sys.excepthook = hook
    lines = stream.getvalue().split("\n")
    assert lines[:4] == [
        r"Rejected x\n12:00 all is well\x1b[31m: 3",
        "second line",
        r"Rejected x\n12:00 all is well\x1b[31m",
        r"100 %s without arguments \x07",
    ]
    assert "\x1b" not in stream.getvalue()
