"""Serves the MLflow UI for the runs on this machine."""

import logging
import os
import shlex
import socket
import sys
from typing import NoReturn

from components.contract.errors import ServiceError
from components.contract.system import launcher
from components.contract.system.address import redact
from components.contract.tracking.headlines import ML_VIEWS, runs_route
from components.contract.tracking.store import reason_of, require_store
from components.contract.tracking.store_address import sqlite_file, tracking_uri

log = logging.getLogger(__name__)


def serve_ui(host: str, port: int) -> NoReturn:
    """Serves the MLflow UI until it is stopped.

    Args:
        host: the address to listen on.
        port: the port to listen on.

    Raises:
        ServiceError: the port cannot be used, or the store is a server, which has its own UI.
    """
    uri = tracking_uri()
    if uri.startswith(("http://", "https://")):
        raise ServiceError(f"The runs are on the MLflow server at {redact(uri)}: open that address instead.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ServiceError(
                f"The port {port} on {host} cannot be used: {error.strerror}. Choose another one: "
                f"darkroom ui --port {port + 1}"
            ) from None
    store = sqlite_file(uri)
    if store is not None and not store.is_file():
        os.environ["MLFLOW_TRACKING_URI"] = uri
        require_store()
    address = f"http://{host}:{port}/{_start_route(uri)}"
    print(f"MLflow UI: {address} (stop it with Ctrl-C)", flush=True)  # noqa: T201 - the output of the command
    # Not arguments: the store's address may contain a password, and every user of this machine can see arguments.
    environment = launcher.environment() | {
        "MLFLOW_TRACKING_URI": uri,
        "MLFLOW_BACKEND_STORE_URI": uri,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    arguments = ["--host", host, "--port", str(port), "--workers", "1"]
    # Otherwise, uvicorn would import from the working folder first.
    arguments += ["--uvicorn-opts", f"--app-dir {shlex.quote(sys.prefix)}"]
    launcher.become(launcher.python("mlflow", "server", *arguments), environment)


def _start_route(uri: str) -> str:
    """The route at which the UI opens: the experiment of the newest run or, without runs, the list of experiments."""
    from mlflow import MlflowClient

    try:
        client = MlflowClient(uri)
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        for run in client.search_runs(experiments, max_results=1, order_by=["attributes.start_time DESC"]):
            return runs_route(run.info.experiment_id)
    except Exception as error:  # MLflow or SQLAlchemy cannot read the store; the server reports the error
        log.debug("The MLflow store could not be read: %s", reason_of(error))
    return f"#/experiments?{ML_VIEWS}"
