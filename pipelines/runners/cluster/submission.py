"""The pipeline on a cluster: compile, submit, watch; the only module that speaks to a KFP server."""

import base64
import contextlib
import hashlib
import json
import re
import ssl
import sys
import tempfile
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from components.contract.errors import ArtifactError, DarkroomError, DataError
from components.contract.params.pipeline import Params
from components.contract.system import launcher
from components.contract.system.address import MASK, Address, split_credentials
from components.contract.system.atomic_files import write_file
from components.contract.system.disk_space import free_text
from components.preprocess.sources.remote.addresses import require_harmless
from pipelines.runners.local import pipeline_arguments

if TYPE_CHECKING:
    from kfp.client import Client

    from pipelines.runners.cluster.placement import Placement

PIPELINE: Final = "darkroom-training"
CONNECT_SECONDS: Final = 5.0
POLL_SECONDS: Final = 3.0
LOST_SECONDS: Final = 300.0
"""How long the server may be out of reach while a run is followed."""
SUCCEEDED: Final = "SUCCEEDED"
ENDED: Final = (SUCCEEDED, "FAILED", "CANCELED", "SKIPPED")
DVC_URI: Final = re.compile(r"dvc\+(?P<repository>.+)@(?P<revision>[^@:]+):(?P<path>.+)")
COMMIT: Final = re.compile(r"[0-9a-f]{40}")


class ClusterError(DarkroomError):
    """The KFP server is missing, too old or refuses, or the run there failed."""


@dataclass(frozen=True)
class Server:
    """A KFP server and how to speak to it.

    Attributes:
        host: its address, with the scheme.
        token: a bearer token; None where none is needed.
        namespace: of a multi-user installation; None for the others.
        ca_path: the certificates that its own is checked against; None for the system's.
        verify: whether its certificate is checked at all.
    """

    host: str
    token: str | None = None
    namespace: str | None = None
    ca_path: Path | None = None
    verify: bool = True


@dataclass(frozen=True)
class Submission:
    """What the server took on.

    Attributes:
        id: of the run, or of the recurring run.
        url: where a person sees it.
        version: the pipeline version that it runs.
    """

    id: str
    url: str
    version: str


def compile_pipeline(params: Params, output: Path, placement: "Placement | None" = None) -> None:
    """Writes the pipeline as KFP IR, with these params as its defaults.

    Args:
        params: without `auto`.
        output: ends in .yaml or .json.
        placement: how it sits on a cluster; None for the bare DAG.

    Raises:
        ArtifactError: the name has another ending, or the place cannot be written.
    """
    if output.suffix not in (".yaml", ".yml", ".json"):
        raise ArtifactError(f"A compiled pipeline must be named *.yaml or *.json; found {output}.")
    try:
        write_file(output, _compiled(params, placement, pipeline_arguments(params), output.suffix))
    except OSError as error:
        raise ArtifactError(f"{output} must be writable; it is not: {error}{free_text(output.parent)}.") from None


def _compiled(
    params: Params, placement: "Placement | None", defaults: dict[str, str] | None, suffix: str = ".yaml"
) -> bytes:
    from kfp.compiler import Compiler

    if placement is None:
        from pipelines.training import training

        pipeline = training(params.tune.searchers)
    else:
        from pipelines.runners.cluster.placement import placed

        pipeline = placed(placement, params.tune.searchers)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"pipeline{suffix}"
        Compiler().compile(pipeline, str(path), pipeline_parameters=defaults)
        return path.read_bytes()


def resolve_revision(uri: str) -> str:
    """A `dvc+<repository>@<revision>:<path>` with the revision as a commit, so that caching is right; others as given.

    Raises:
        DataError: the repository cannot be read, or has no such revision.
    """
    if not uri.startswith("dvc+"):
        return uri
    found = DVC_URI.fullmatch(Address(uri).full)
    if found is None:
        raise DataError(f"Data under DVC must be named dvc+<repository>@<revision>:<path>; found {uri}.")
    repository, revision = found["repository"], found["revision"]
    if COMMIT.fullmatch(revision):
        return uri
    require_harmless(Address(uri))
    if Path(repository).exists():  # a path of this machine; git itself runs outside any repository
        repository = str(Path(repository).resolve())
    place, credentials = _git_credentials(repository)
    listed = launcher.git(
        "ls-remote",
        "--",
        place,
        revision,
        f"{revision}^{{}}",
        cwd=Path("/"),
        env=launcher.environment() | credentials,
    )
    if listed.returncode != 0:
        reason = Address(repository).hide((listed.stderr.strip().splitlines() or ["git gave no reason"])[-1])
        raise DataError(f"The repository {Address(repository)} must be readable with git; it is not: {reason}.")
    # A tag with a message is an object of its own; the name with ^{}, which sorts last, is the commit behind it.
    lines = sorted(listed.stdout.splitlines(), key=lambda line: line.partition("\t")[2])
    commit = lines[-1].partition("\t")[0] if lines else None
    if commit is None:
        raise DataError(
            f"The revision {revision} must be a branch, a tag or a full commit of {Address(repository)}; "
            "there is none of that name."
        )
    return Address(f"dvc+{found['repository']}@{commit}:{found['path']}")


def _git_credentials(repository: str) -> tuple[str, dict[str, str]]:
    """(the repository without user and password, the environment by which git learns them).

    As arguments of git, and of the programs that it starts, every user of this machine would see them.
    """
    place, user, password = split_credentials(repository)
    if not place.startswith(("http://", "https://")) or not user:
        return repository, {}
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    return place, {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.{place}.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Basic {token}",
        "GIT_TERMINAL_PROMPT": "0",
    }


def submit(
    params: Params, placement: "Placement", server: Server, *, cron: str | None = None, max_concurrency: int = 1
) -> Submission:
    """Uploads the pipeline, where the server does not have this version yet, and starts a run of it.

    Args:
        params: without `auto`; the data are named as the cluster sees them.
        placement: how the tasks sit on the cluster.
        server: where to.
        cron: KFP's six fields, to run again and again by; None to run once, now.
        max_concurrency: how many runs of a recurring one may overlap.

    Raises:
        ClusterError: the server is missing, too old, or refuses.
    """
    package = _compiled(params, placement, None)
    version = hashlib.sha256(package).hexdigest()[:12]
    with _talking_to(server) as client:
        pipeline_id, version_id = _uploaded(client, package, version, server.namespace)
        experiment = client.create_experiment(params.deploy.model_name, namespace=server.namespace)
        common = {
            "experiment_id": experiment.experiment_id,
            "job_name": f"{params.deploy.model_name} {time.strftime('%Y-%m-%d %H:%M:%S')}",
            "params": pipeline_arguments(params),
            "pipeline_id": pipeline_id,
            "version_id": version_id,
        }
        host = server.host.rstrip("/")
        if cron is None:
            run_id = client.run_pipeline(**common).run_id
            return Submission(run_id, f"{host}/#/runs/details/{run_id}", version)
        recurring = client.create_recurring_run(
            **common, cron_expression=cron, max_concurrency=max_concurrency, no_catchup=True
        )
        run_id = recurring.recurring_run_id
        return Submission(run_id, f"{host}/#/recurringrun/details/{run_id}", version)


def follow(run_id: str, server: Server, show: Callable[[str, str], None]) -> None:
    """Shows every change of a task until the run has ended.

    Args:
        run_id: of the run.
        server: where it runs.
        show: called with a task and its new state.

    Raises:
        ClusterError: the run did not succeed, or the server was out of reach for too long.
    """
    with _talking_to(server) as client:
        shown: dict[str, str] = {}
        while True:
            run = _patiently(lambda: client.get_run(run_id), show)
            details = run.run_details.task_details or [] if run.run_details else []
            for task in details:
                if task.state and shown.get(task.display_name) != task.state:
                    shown[task.display_name] = task.state
                    show(task.display_name, task.state.lower())
            if run.state in ENDED:
                break
            time.sleep(POLL_SECONDS)
        if run.state != SUCCEEDED:
            failed = [task for task in details if task.state == "FAILED" and task.error]
            reasons = "; ".join(f"{task.display_name}: {task.error.message}" for task in failed)
            raise ClusterError(
                f"The run {run_id} must succeed; it is {run.state.lower()}{f': {reasons}' if reasons else ''}. "
                f"Its logs: {server.host.rstrip('/')}/#/runs/details/{run_id}"
            )


def _patiently(ask: Callable[[], Any], show: Callable[[str, str], None]) -> Any:
    """Asks again while the server is out of reach for a moment: following must not end with a hiccup."""
    from kfp_server_api import ApiException
    from urllib3.exceptions import HTTPError

    deadline = time.monotonic() + LOST_SECONDS
    while True:
        try:
            return ask()
        except (HTTPError, ApiException) as error:
            passing = not isinstance(error, ApiException) or (error.status or 0) >= 500
            if not passing or time.monotonic() > deadline:
                raise
            show("server", "out of reach, trying again")
            time.sleep(POLL_SECONDS)


def _uploaded(client: "Client", package: bytes, version: str, namespace: str | None) -> tuple[str, str]:
    """(pipeline id, version id), uploaded where the server lacks them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pipeline.yaml"
        path.write_bytes(package)
        pipeline_id = client.get_pipeline_id(PIPELINE)
        if pipeline_id is None:
            pipeline_id = client.upload_pipeline(str(path), PIPELINE, namespace=namespace).pipeline_id
        wanted = {"operation": "EQUALS", "key": "display_name", "stringValue": version}
        found = client.list_pipeline_versions(pipeline_id, filter=json.dumps({"predicates": [wanted]}))
        if found.pipeline_versions:
            return pipeline_id, found.pipeline_versions[0].pipeline_version_id
        uploaded = client.upload_pipeline_version(str(path), version, pipeline_id=pipeline_id)
        return pipeline_id, uploaded.pipeline_version_id


@contextlib.contextmanager
def _talking_to(server: Server) -> Iterator["Client"]:
    """KFP's client; what the server refuses becomes a ClusterError. Its own prints go to standard error."""
    _check(server)
    from kfp.client import Client
    from kfp_server_api import ApiException
    from urllib3.exceptions import HTTPError

    with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        client = None
        try:
            client = Client(
                host=server.host,
                existing_token=server.token,
                namespace=server.namespace or "kubeflow",
                ssl_ca_cert=str(server.ca_path) if server.ca_path else None,
                verify_ssl=server.verify,
            )
            yield client
        except ApiException as error:
            raise ClusterError(
                f"The KFP server at {server.host} must take what is asked; it refuses: "
                f"{error.status} {_message(error.body) or error.reason}."
            ) from None
        except HTTPError as error:
            raise ClusterError(f"The KFP server at {server.host} must stay in reach; it is gone: {error}.") from None
        finally:
            if client is not None:  # its connections, which it has no way to close
                client._run_api.api_client.rest_client.pool_manager.clear()  # noqa: SLF001 - KFP has no public name


def _check(server: Server) -> None:
    """Asks for the server's health with little patience: KFP's client would try for half a minute."""
    if not server.host.startswith(("http://", "https://")):
        raise ClusterError(
            f"A KFP server is named by its address, such as https://kfp.example.org; found {server.host!r}."
        )
    if MASK in Address(server.host):
        raise ClusterError(
            "The address of a KFP server must hold no user, password or query; found "
            f"{Address(server.host)}. Log in with --token-file."
        )
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
            401: "it wants a token: --token-file, or KF_PIPELINES_TOKEN",
            403: "it refuses this token or namespace",
            404: "it does not know the v2beta1 API: KFP 2.0 or later is needed",
        }
        raise ClusterError(
            f"The KFP server at {server.host} must answer; it says {error.code}: "
            f"{advice.get(error.code, error.reason)}."
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise ClusterError(
            f"A KFP server must answer at {server.host}; it does not: {reason}. Is the address right, "
            "and the port forwarded (kubectl port-forward -n kubeflow svc/ml-pipeline-ui 8080:80)?"
        ) from None


def _message(body: str | bytes | None) -> str:
    """The server's own words out of its JSON answer."""
    try:
        answer = json.loads(body or "")
    except ValueError:
        return ""
    return str(answer.get("message") or answer.get("error_message") or answer.get("error") or "")
