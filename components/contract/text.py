"""Makes text from outside safe to show: names, labels and messages from other people or libraries.

Every message, log line, page and table cell is escaped here once, when it is created. The escaped text can neither
control the terminal, nor hide or reorder what a person reads. Letters of all scripts remain unchanged.
"""

import json
import logging
import re
import sys
import traceback
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Final

HARMFUL: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""The Unicode categories of harmful characters: control, format (such as bidirectional overrides), surrogate, and line
and paragraph separators."""
INVISIBLE: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
"""Letters and marks that are invisible: with them, two different names can look the same."""
NO_CHARACTERS: Final = frozenset(chr(plane + end) for plane in range(0, 0x110000, 0x10000) for end in (0xFFFE, 0xFFFF))
"""The noncharacters at the end of each Unicode plane. XML, and therefore SVG, must not contain U+FFFE or U+FFFF."""
JOINERS: Final = frozenset("\u200c\u200d")
"""Zero-width joiners: needed in Indic scripts, in Persian and in emoji, but invisible between other characters."""
FORMULA: Final = re.compile(r"'*[=+\-@\t\r]")
"""Matches a cell that a spreadsheet reads as a formula (see OWASP on CSV injection), or that `csv_cell` has escaped."""


def printable(text: str, *, lines: bool = False) -> str:
    r"""The text with all harmful characters escaped, as in `\x1b[31m`; escaping the result again changes nothing.

    Args:
        text: the text, which may contain lone surrogates, as file names that are not UTF-8 do.
        lines: whether line breaks and tabs are kept: True for messages, False for names.
    """
    if text.isascii() and text.isprintable():
        return text
    kept_characters = "\n\t" if lines else ""
    return "".join(
        char if char in kept_characters or not _is_harmful(text, place) else ascii(char)[1:-1]
        for place, char in enumerate(text)
    )


def is_utf8(text: str) -> bool:
    """Whether text such as a path is valid UTF-8; only then can files and databases store it."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def json_text(content: object, **options: Any) -> str:
    """JSON in which letters of all scripts are unchanged, and harmful characters are written as JSON escapes."""
    text = json.dumps(content, ensure_ascii=False, **options)
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "".join(
        char if char == "\n" or not _is_harmful(text, place) else json.dumps(char)[1:-1]
        for place, char in enumerate(text)
    )


def csv_cell(text: str) -> str:
    """Puts an apostrophe before text that a spreadsheet would read as a formula; `from_csv_cell` removes it."""
    return f"'{text}" if FORMULA.match(text) else text


def from_csv_cell(text: str) -> str:
    """The original text of a cell that `csv_cell` returned."""
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text


def join_names(names: Sequence[str], limit: int = 12) -> str:
    """Joins names as in a sentence: `a, b and c`, or `a, b and 1,200 more`."""
    texts = [*names[:limit], *([f"{len(names) - limit:,} more"] if len(names) > limit else [])]
    return " and ".join(filter(None, (", ".join(texts[:-1]), *texts[-1:])))


def pluralize(num: int, word: str = "photo", plural: str | None = None) -> str:
    """A number with its noun: `1 photo`, `1,200 photos`, `2 classes`; `plural` defaults to the noun with an s."""
    return f"{num:,} {word if num == 1 else plural or f'{word}s'}"


class PrintableRecord(logging.LogRecord):
    """A log record whose message, arguments and traceback are escaped, whichever handler writes it."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if self.exc_info:
            self.exc_text = printable(logging.Formatter().formatException(self.exc_info), lines=True)

    def getMessage(self) -> str:  # noqa: N802 logging's name
        """The message; line breaks in its arguments are escaped, so that an argument cannot fake a log line."""
        message = str(self.msg)
        if self.args:
            if isinstance(self.args, Mapping):
                message %= {key: _argument(value) for key, value in self.args.items()}
            else:
                message %= tuple(map(_argument, self.args))
        return printable(message, lines=True)


def escape_log_records() -> None:
    """Escapes all log records of this process, and the traceback of an uncaught exception."""
    logging.setLogRecordFactory(PrintableRecord)
    sys.excepthook = _show_traceback


def _show_traceback(*error: Any) -> None:
    print(printable("".join(traceback.format_exception(*error)), lines=True), end="", file=sys.stderr)  # noqa: T201 - as Python's own hook does


def _argument(value: object) -> object:
    return printable(value) if isinstance(value, str) else value


def _is_harmful(text: str, place: int) -> bool:
    char = text[place]
    if char.isascii():
        return not char.isprintable()
    if char in JOINERS:
        return not (0 < place < len(text) - 1 and all(_is_joined(text[beside]) for beside in (place - 1, place + 1)))
    return char in INVISIBLE or char in NO_CHARACTERS or unicodedata.category(char) in HARMFUL


def _is_joined(char: str) -> bool:
    """Whether a joiner has a meaning next to this character; true for emoji, emoji modifiers and Indic letters."""
    if ord(char) < 0x0590:  # Latin, Greek, Cyrillic, Armenian
        return False
    return unicodedata.category(char) in ("So", "Sk", "Lo", "Mn", "Mc")
