"""Parses the values of options: functions for click's `type`. Each reports what it expects and what it found."""

import datetime
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import click

PATH: Final = click.Path(path_type=Path, readable=False)
"""A path, which shells can complete, and which is only checked when it is used."""


def whole_number(expected: str, least: int = 0, most: int | None = None) -> Callable[[str], int]:
    """Returns a parser of integers from `least` to `most`, inclusive; `expected` describes them in the message."""

    def parse(text: str) -> int:
        if not str(text).isdecimal() or not least <= int(text) <= (int(text) if most is None else most):
            raise ValueError(f"{expected} is expected; found {str(text)!r}")
        return int(text)

    return parse


parse_count = whole_number("an integer of at least 0")
parse_port = whole_number("a port from 1 to 65535", 1, 65_535)
parse_num_classes = whole_number("an integer of at least 2", 2)


def parse_share(text: str) -> float:
    """Parses a number from 0 to 1."""
    number = _parse_float(text)
    if not 0 <= number <= 1:
        raise ValueError(f"a number from 0 to 1 is expected; found {str(text)!r}")
    return number


def parse_gigabytes(text: str) -> float:
    """Parses a size in GB."""
    number = _parse_float(text)
    if not 0 < number <= 10_000:
        raise ValueError(f"expected a size in GB above 0; found {str(text)!r}")
    return number


def parse_minutes(text: str) -> float:
    """Parses a time limit in minutes."""
    number = _parse_float(text)
    if not 0 < number <= 100_000:
        raise ValueError(f"a number of minutes above 0 is expected; found {str(text)!r}")
    return number


def _parse_float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def parse_page_address(text: str) -> str:
    """Parses the address of a page: http or https, a host, and a path; the result ends with a slash."""
    parts = urlsplit(text)
    is_page = (
        parts.scheme in ("http", "https") and parts.hostname and not (parts.query or parts.fragment or "@" in text)
    )
    if not is_page:
        raise ValueError(f"an address such as https://host/path/ is expected; found {text!r}")
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}/"


def parse_day(text: str) -> datetime.date:
    """Parses a date such as 2026-01-31."""
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"a date such as 2026-01-31 is expected; found {text!r}") from None


def parse_image_size(text: str) -> tuple[int, int]:
    """Parses height and width in pixels, such as 224x224."""
    match = re.fullmatch(r"0*([1-9]\d*)x0*([1-9]\d*)", text, re.ASCII)
    if match is None:
        raise ValueError(f"HEIGHTxWIDTH in pixels is expected, such as 224x224; found {text!r}")
    return int(match[1]), int(match[2])


def parse_cores(text: str) -> str:
    """Checks a number of processor cores in Kubernetes' format."""
    if not re.fullmatch(r"[1-9]\d*m?|\d+\.\d+", text):
        raise ValueError(f"a number of cores is expected, such as 4, 1.5 or 500m; found {text!r}")
    return text


def parse_deployment(text: str) -> str:
    """Checks the namespace and the name of a Deployment in Kubernetes."""
    name = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
    if not re.fullmatch(f"{name}/{name}", text):
        raise ValueError(f"NAMESPACE/DEPLOYMENT is expected, such as darkroom/darkroom-serve; found {text!r}")
    return text


def parse_label(text: str) -> tuple[str, str]:
    """Parses a node label and its value."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise ValueError(f"LABEL=VALUE is expected; found {text!r}")
    return name, value


def parse_backbone(text: str) -> str:
    """Checks the name of a pretrained network."""
    from components.contract.layers.backbones import BACKBONES
    from components.contract.validation_messages import nearest

    if text not in BACKBONES:
        raise ValueError(f"the name of a backbone is expected; found {text!r}{nearest(text, BACKBONES)}")
    return text


def parse_setting(text: str) -> str:
    """Checks that a setting is not an option; its key and value are checked later, with all params."""
    if text.startswith("-"):
        raise ValueError(
            f"SECTION.KEY=VALUE is expected, without dashes; found {text!r}. Write: --set "
            f"{text.lstrip('-') or 'train.epochs=5'}"
        )
    return text
