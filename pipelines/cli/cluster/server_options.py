"""The options that name a KFP server and log in to it."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.runners.cluster.client import Server

ENDPOINT_VARIABLE, TOKEN_VARIABLE = "KF_PIPELINES_ENDPOINT", "KF_PIPELINES_TOKEN"


def add_server_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    server = parser.add_argument_group("the server")
    server.add_argument(
        "--host",
        default=os.environ.get(ENDPOINT_VARIABLE),
        metavar="URL",
        help=f"of Kubeflow Pipelines; default: {ENDPOINT_VARIABLE}",
    )
    server.add_argument("--token-file", type=Path, metavar="FILE", help=f"holds the token; default: {TOKEN_VARIABLE}")
    server.add_argument("--namespace", help="of a multi-user installation")
    server.add_argument("--ca-cert", type=Path, metavar="FILE", help="the certificates to check the server's against")
    server.add_argument("--insecure", action="store_true", help="do not check the server's certificate")


def read_server(arguments: argparse.Namespace) -> "Server":
    """The server that the options name.

    Raises:
        ParamsError: the address is missing, or the file of the token cannot be read.
    """
    from components.contract.errors import ParamsError
    from pipelines.runners.cluster.client import Server

    if not arguments.host:
        raise ParamsError(f"The address of Kubeflow Pipelines must be given: --host URL, or {ENDPOINT_VARIABLE}.")
    token = os.environ.get(TOKEN_VARIABLE)
    if arguments.token_file is not None:
        try:
            token = arguments.token_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ParamsError(f"--token-file must be a readable file: {error}.") from None
    return Server(arguments.host, token, arguments.namespace, arguments.ca_cert, verify=not arguments.insecure)
