"""The verbs that serve pages for a browser: studio, ui."""

import os
from pathlib import Path
from typing import NoReturn

import click

from pipelines.cli.frame import Verb
from pipelines.option_values import PATH, parse_gigabytes, parse_page_address, parse_port

TOKEN_VARIABLE = "DARKROOM_STUDIO_TOKEN"  # noqa: S105 - the name of the variable, not a token


@click.command(cls=Verb)
@click.option("--host", default="127.0.0.1", metavar="ADDRESS", help="The address to listen on.")
@click.option("--port", type=parse_port, default=8000, metavar="N", help="The port to listen on.")
@click.option(
    "--root",
    "roots",
    multiple=True,
    type=PATH,
    metavar="FOLDER",
    help="A folder to look for photos in. Can be repeated.",
    show_default="the home folder and the current folder",
)
@click.option("--no-browser", is_flag=True, help="Print the address, but do not open a browser.")
@click.option(
    "--max-upload-gb", type=parse_gigabytes, default=20.0, metavar="GB", help="The size limit of an uploaded archive."
)
@click.option(
    "--url",
    type=parse_page_address,
    metavar="URL",
    help="The studio's address at a reverse proxy, such as https://host/darkroom/.",
)
def studio(
    host: str, port: int, roots: tuple[Path, ...], no_browser: bool, max_upload_gb: float, url: str | None
) -> int:
    """Use all of Darkroom in a browser, without code.

    The studio requires a token if it listens on an address other than localhost, or runs behind a reverse proxy: the
    value of DARKROOM_STUDIO_TOKEN or, if that is not set, a new token that it prints.
    """
    from pipelines.studio.server import serve_studio

    return serve_studio(
        host,
        port,
        roots=roots,
        token=os.environ.get(TOKEN_VARIABLE) or None,
        open_browser=not no_browser,
        max_upload_bytes=int(max_upload_gb * 1e9),
        public_url=url,
    )


@click.command(cls=Verb)
@click.option("--host", default="127.0.0.1", metavar="ADDRESS", help="The address to listen on.")
@click.option("--port", type=parse_port, default=5000, metavar="N", help="The port to listen on.")
def ui(host: str, port: int) -> NoReturn:
    """Serve the MLflow UI for the runs on this machine."""
    from pipelines.mlflow_ui import serve_ui

    serve_ui(host, port)


VERBS = (studio, ui)
