"""Foreign text made safe to show: names, labels and messages that other people or libraries wrote.

Every message, log line, page and table cell passes here once, where it is made. What is shown may not act on the
terminal, hide, or change the order of what a person reads; letters of all scripts remain unchanged.
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
"""Unicode's categories: control, format (such as bidirectional overrides), surrogate, line and paragraph separator."""
INVISIBLE: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
"""Letters and marks without a width, which make two names look the same."""
NO_CHARACTERS: Final = frozenset(chr(plane + end) for plane in range(0, 0x110000, 0x10000) for end in (0xFFFE, 0xFFFF))
"""Unicode reserves them, and XML, hence SVG, cannot hold the first two."""
JOINERS: Final = frozenset("\u200c\u200d")
"""They belong to the scripts of India and Iran and to emoji; between other signs they hide."""
FORMULA: Final = re.compile(r"'*[=+\-@\t\r]")
"""What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection), and what `csv_cell` made of it."""


def printable(text: str, *, lines: bool = False) -> str:
    r"""The text with everything harmful escaped, as in `\x1b[31m`; escaping again changes nothing.

    Args:
        text: may hold lone surrogates, such as names of files that are not UTF-8.
        lines: whether line breaks and tabs stay: for whole messages, not for names.
    """
    if text.isascii() and text.isprintable():
        return text
    kept_characters = "\n\t" if lines else ""
    return "".join(
        char if char in kept_characters or not _is_harmful(text, place) else ascii(char)[1:-1]
        for place, char in enumerate(text)
    )


def is_utf8(text: str) -> bool:
    """Whether a path or an argument has no bytes other than UTF-8, so that files and databases can hold it."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def json_text(content: object, **options: Any) -> str:
    """JSON with letters of all scripts as they are and everything harmful in JSON's own escapes: nothing is lost."""
    text = json.dumps(content, ensure_ascii=False, **options)
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "".join(
        char if char == "\n" or not _is_harmful(text, place) else json.dumps(char)[1:-1]
        for place, char in enumerate(text)
    )


def csv_cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula: with an apostrophe before it. `from_csv_cell` takes it away."""
    return f"'{text}" if FORMULA.match(text) else text


def from_csv_cell(text: str) -> str:
    """The text that `csv_cell` made a cell of."""
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text


def join_names(names: Sequence[str], limit: int = 12) -> str:
    """Names as in a sentence: `a, b and c`, or `a, b and 1,200 more`."""
    texts = [*names[:limit], *([f"{len(names) - limit:,} more"] if len(names) > limit else [])]
    return " and ".join(filter(None, (", ".join(texts[:-1]), *texts[-1:])))


def pluralize(num: int, word: str = "photo") -> str:
    """`1 photo`, `1,200 photos`."""
    return f"{num:,} {word}{'' if num == 1 else 's'}"


class PrintableRecord(logging.LogRecord):
    """A log record whose message, traceback and foreign arguments are safe to show, whatever handler writes it."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if self.exc_info:
            self.exc_text = printable(logging.Formatter().formatException(self.exc_info), lines=True)

    def getMessage(self) -> str:  # noqa: N802 logging's name
        """The message; line breaks in its arguments cannot begin a line of their own."""
        message = str(self.msg)
        if self.args:
            if isinstance(self.args, Mapping):
                message %= {key: _argument(value) for key, value in self.args.items()}
            else:
                message %= tuple(map(_argument, self.args))
        return printable(message, lines=True)


def escape_log_records() -> None:
    """Makes all log records of this process safe to show, and the traceback of a bug that ends it."""
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
    """Whether joiners have a meaning beside the sign: emoji with their modifiers, letters and marks outside Latin."""
    if ord(char) < 0x0590:  # Latin, Greek, Cyrillic, Armenian
        return False
    return unicodedata.category(char) in ("So", "Sk", "Lo", "Mn", "Mc")
