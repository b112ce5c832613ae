"""The connection to a KFP server: its address and credentials, a health check, and its errors."""

import contextlib
import json
import re
import ssl
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from components.contract.errors import DarkroomError
from components.contract.system.address import MASK, Address

if TYPE_CHECKING:
    from kfp.client import Client

CONNECT_SECONDS: Final = 5.0


class ClusterError(DarkroomError):
    """The KFP server is missing, too old or rejects a request, or the run on it failed."""


@dataclass(frozen=True)
class Server:
    """A KFP server and its credentials.

    Attributes:
        host: its address, with the scheme.
        token: a bearer token; None if none is needed.
        namespace: the namespace in a multi-user installation; None in a single-user installation.
        ca_path: a file with the certificates to verify the server with; None for those of the system.
        verify: whether to verify the server's certificate.
    """

    host: str
    token: str | None = None
    namespace: str | None = None
    ca_path: Path | None = None
    verify: bool = True

    @property
    def task_namespace(self) -> str:
        """The namespace in which the tasks run."""
        return self.namespace or "kubeflow"

    def run_url(self, run_id: str) -> str:
        """The URL of a run's page."""
        return f"{self.host.rstrip('/')}/#/runs/details/{run_id}"

    def recurring_run_url(self, run_id: str) -> str:
        """The URL of a recurring run's page."""
        return f"{self.host.rstrip('/')}/#/recurringrun/details/{run_id}"


@contextlib.contextmanager
def connect(server: Server) -> Iterator["Client"]:
    """Provides KFP's client within the block; errors of the client become a ClusterError.

    Raises:
        ClusterError: the server is missing, too old, or rejects a request.
    """
    _check_health(server)
    from kfp.client import Client
    from kfp_server_api import ApiException
    from urllib3.exceptions import HTTPError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        client = None
        try:
            client = Client(
                host=server.host,
                existing_token=server.token,
                namespace=server.task_namespace,
                ssl_ca_cert=str(server.ca_path) if server.ca_path else None,
                verify_ssl=server.verify,
            )
            yield client
        except ApiException as error:
            raise ClusterError(
                f"The KFP server at {server.host} refused the request: {error.status} "
                f"{_read_message(error.body) or error.reason}."
            ) from None
        except HTTPError as error:
            raise ClusterError(f"The KFP server at {server.host} cannot be reached: {error}.") from None
        finally:
            if client is not None:  # the client cannot close its connections itself
                client._run_api.api_client.rest_client.pool_manager.clear()  # noqa: SLF001 - KFP has no public name


def check_address(host: str) -> None:
    """Checks the form of a KFP server's address.

    Raises:
        ClusterError: it is not an address of a web server, or contains a user, password or query.
    """
    if not re.fullmatch(r"https?://\S+", host):
        raise ClusterError(f"The address of a KFP server must look like https://kfp.example.org; found {host!r}.")
    if MASK in Address(host):
        raise ClusterError(
            "The address of a KFP server must not contain a user, password or query; found "
            f"{Address(host)}. Log in with --token-file."
        )


def _check_health(server: Server) -> None:
    """Checks the server's health with a short timeout, because KFP's client would retry for half a minute."""
    check_address(server.host)
    request = urllib.request.Request(f"{server.host.rstrip('/')}/apis/v2beta1/healthz")  # noqa: S310 - checked above
    if server.token:
        request.add_header("Authorization", f"Bearer {server.token}")
    context = ssl.create_default_context(cafile=server.ca_path)
    if not server.verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(request, timeout=CONNECT_SECONDS, context=context) as answer:  # noqa: S310 - same
            json.load(answer)
    except urllib.error.HTTPError as error:
        error.close()
        advice = {
            401: "it requires a token: --token-file, or KF_PIPELINES_TOKEN",
            403: "it rejects this token or namespace",
            404: "it does not support the v2beta1 API: KFP 2.0 or later is needed",
        }
        raise ClusterError(
            f"The KFP server at {server.host} returned the error {error.code}: {advice.get(error.code, error.reason)}."
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise ClusterError(
            f"No KFP server answers at {server.host}: {reason}. Check the address, and "
            "that the port is forwarded (kubectl port-forward -n kubeflow svc/ml-pipeline-ui 8080:80)."
        ) from None


def _read_message(body: str | bytes | None) -> str:
    """Extracts the server's message from its JSON answer."""
    try:
        answer = json.loads(body or "")
    except ValueError:
        return ""
    return str(answer.get("message") or answer.get("error_message") or answer.get("error") or "")
