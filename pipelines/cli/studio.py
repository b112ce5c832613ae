"""The verb `darkroom studio`: all of Darkroom in a browser."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

Verb = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]

TOKEN_VARIABLE = "DARKROOM_STUDIO_TOKEN"  # noqa: S105 - the name of the variable, not a token


def add_studio(verb: Verb, add_address: Callable[[argparse.ArgumentParser, int], None]) -> None:
    """Adds the verb."""
    studio = verb("studio", _studio, "open all of Darkroom in a browser, without code")
    add_address(studio, 8000)
    studio.add_argument(
        "--root",
        action="append",
        default=[],
        type=Path,
        metavar="FOLDER",
        help="photos are looked for below it; may be repeated; default: the home folder and this one",
    )
    studio.add_argument("--no-browser", action="store_true", help="only print the address")
    studio.add_argument(
        "--max-upload-gb",
        type=_parse_gigabytes,
        default=20.0,
        metavar="GB",
        help="of an archive of photos; default: %(default)s",
    )
    studio.epilog = f"Elsewhere than on this machine a token is asked for: {TOKEN_VARIABLE}, or one made anew."


def _studio(arguments: argparse.Namespace) -> int:
    from pipelines.studio.server import serve_studio

    return serve_studio(
        arguments.host,
        arguments.port,
        roots=tuple(arguments.root),
        token=os.environ.get(TOKEN_VARIABLE) or None,
        open_browser=not arguments.no_browser,
        max_upload_bytes=int(arguments.max_upload_gb * 1e9),
    )


def _parse_gigabytes(text: str) -> float:
    try:
        size = float(text)
    except ValueError:
        size = 0.0
    if not 0 < size <= 10_000:
        raise argparse.ArgumentTypeError(f"a number of GB above 0 is expected; found {text!r}")
    return size
