"""Determines the address and the credentials of a KFP server from options and the environment."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from components.contract.errors import ParamsError

if TYPE_CHECKING:
    from pipelines.runners.cluster.client import Server

ENDPOINT_VARIABLE: Final = "KF_PIPELINES_ENDPOINT"
TOKEN_VARIABLE: Final = "KF_PIPELINES_TOKEN"  # noqa: S105 - the name of the variable, not a token


def read_server(
    host: str | None, token_file: Path | None, namespace: str | None, ca_path: Path | None, *, verify: bool
) -> "Server":
    """Returns the server that the options name.

    Args:
        host: the address of the server, which is required.
        token_file: a file with the token; None for the token in the environment.
        namespace: the namespace in a multi-user installation.
        ca_path: a file with the certificates to verify the server with; None for those of the system.
        verify: whether to verify the server's certificate.

    Raises:
        ParamsError: the address is missing, or the token file cannot be read.
    """
    from pipelines.runners.cluster.client import Server

    if not host:
        raise ParamsError(f"Set the address of Kubeflow Pipelines: --host URL, or {ENDPOINT_VARIABLE}.")
    token = os.environ.get(TOKEN_VARIABLE)
    if token_file is not None:
        try:
            token = token_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ParamsError(f"--token-file must be a readable file: {error}.") from None
    return Server(host, token, namespace, ca_path, verify=verify)
