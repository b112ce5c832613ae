"""Submits the pipeline to a KFP server: uploads its version, and starts a run."""

import contextlib
import hashlib
import io
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from components.contract.params.pipeline import Params
from pipelines.runners.cluster.client import Server, connect
from pipelines.runners.cluster.compilation import compile_ir
from pipelines.runners.run_params import pipeline_arguments

if TYPE_CHECKING:
    from kfp.client import Client

    from pipelines.runners.cluster.placement import Placement

PIPELINE: Final = "darkroom-training"


@dataclass(frozen=True)
class Submission:
    """A submitted run or recurring run.

    Attributes:
        id: the id of the run or of the recurring run.
        url: the address of its page.
        version: the pipeline version that it runs.
    """

    id: str
    url: str
    version: str


def submit(
    params: Params, placement: "Placement", server: Server, *, cron: str | None = None, max_concurrency: int = 1
) -> Submission:
    """Uploads the pipeline if the server does not have this version yet, and starts a run.

    Args:
        params: the resolved params; the data address must be valid on the cluster.
        placement: where the tasks run.
        server: the server to submit to.
        cron: the schedule of a recurring run in KFP's six cron fields; None for a single run now.
        max_concurrency: the maximum number of overlapping runs of a recurring run.

    Raises:
        ClusterError: the server is missing, too old, or rejects the request.
    """
    package = compile_ir(params, placement, None)
    version = hashlib.sha256(package).hexdigest()[:12]
    with connect(server) as client, contextlib.redirect_stdout(io.StringIO()):  # KFP's client prints its own links
        pipeline_id, version_id = _upload(client, package, version, server.namespace)
        experiment = client.create_experiment(params.deploy.model_name, namespace=server.namespace)
        common = {
            "experiment_id": experiment.experiment_id,
            "job_name": f"{params.deploy.model_name} {time.strftime('%Y-%m-%d %H:%M:%S')}",
            "params": pipeline_arguments(params),
            "pipeline_id": pipeline_id,
            "version_id": version_id,
        }
        if cron is None:
            run_id = client.run_pipeline(**common).run_id
            return Submission(run_id, server.run_url(run_id), version)
        recurring_run = client.create_recurring_run(
            **common, cron_expression=cron, max_concurrency=max_concurrency, no_catchup=True
        )
        run_id = recurring_run.recurring_run_id
        return Submission(run_id, server.recurring_run_url(run_id), version)


def _upload(client: "Client", package: bytes, version: str, namespace: str | None) -> tuple[str, str]:
    """Returns (pipeline id, version id); uploads the pipeline or the version if the server does not have it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pipeline.yaml"
        path.write_bytes(package)
        pipeline_id = client.get_pipeline_id(PIPELINE)
        if pipeline_id is None:
            pipeline_id = client.upload_pipeline(str(path), PIPELINE, namespace=namespace).pipeline_id
        predicate = {"operation": "EQUALS", "key": "display_name", "stringValue": version}
        response = client.list_pipeline_versions(pipeline_id, filter=json.dumps({"predicates": [predicate]}))
        if response.pipeline_versions:
            return pipeline_id, response.pipeline_versions[0].pipeline_version_id
        new_version = client.upload_pipeline_version(str(path), version, pipeline_id=pipeline_id)
        return pipeline_id, new_version.pipeline_version_id
