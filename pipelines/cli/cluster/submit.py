"""`darkroom submit`: runs the pipeline on a cluster with Kubeflow Pipelines."""

import argparse
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from components.contract.system.address import MASK
from pipelines.cli.cluster.server_options import add_server_options, read_server

if TYPE_CHECKING:
    from components.contract.params.model import ModelParams
    from components.contract.params.resolve import Resolution
    from pipelines.runners.cluster.placement import Placement

log = logging.getLogger(__name__)

Verb = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]


def add_submit(verb: Verb, add_params_options: Callable[[argparse.ArgumentParser], None]) -> None:
    """Adds `darkroom submit`."""
    submit = verb("submit", _submit, "run the pipeline on a cluster with Kubeflow Pipelines")
    add_params_options(submit)
    add_server_options(submit)

    place = submit.add_argument_group("what the tasks get")
    place.add_argument("--gpus", type=int, default=0, metavar="N", help="for train; default: %(default)s")
    place.add_argument("--gpu-type", default="nvidia.com/gpu", metavar="RESOURCE", help="default: %(default)s")
    place.add_argument(
        "--node-selector",
        action="append",
        default=[],
        type=_parse_label,
        metavar="LABEL=VALUE",
        help="nodes that train may run on; may be repeated",
    )
    place.add_argument("--cpu", metavar="CORES", type=_parse_cpu, help="that train requests, such as 4 or 500m")
    place.add_argument("--memory", metavar="SIZE", help="for train, such as 16Gi")
    place.add_argument("--data-claim", metavar="NAME", help="a volume claim with the photos, which is mounted to /data")
    place.add_argument(
        "--rollout",
        metavar="NAMESPACE/DEPLOYMENT",
        help="where a promoted model is rolled out, such as darkroom/darkroom-serve",
    )
    place.add_argument(
        "--cache",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="skip tasks whose inputs are unchanged; deploy never is",
    )
    place.add_argument(
        "--local-images",
        action="store_true",
        help="as built here, for kind and minikube; default: those that were pushed",
    )

    submit.add_argument("--cron", metavar="FIELDS", help="run again and again: six fields, such as '0 0 3 * * 1'")
    submit.add_argument("--no-wait", action="store_true", help="return as soon as the server has the run")
    submit.add_argument("--output", type=Path, metavar="FILE", help="only write the pipeline; submit nothing")
    submit.add_argument("--json", action="store_true", help="print the result as JSON on standard output")


def _submit(arguments: argparse.Namespace) -> int:
    from pipelines.cli import show
    from pipelines.cli.cluster.run_display import RunDisplay
    from pipelines.runners.cluster.compilation import compile_pipeline
    from pipelines.runners.cluster.submission import submit
    from pipelines.runners.cluster.watching import follow

    console = show.console(to_stderr=arguments.json)
    resolution, placement = _resolve_for_cluster(arguments), _read_placement(arguments)
    if arguments.output is not None:
        compile_pipeline(resolution.params, arguments.output, placement)
        show.line(f"Wrote {arguments.output}.", to_stderr=True)
        return 0
    server = read_server(arguments)
    show.decisions(console, resolution)
    submission = submit(resolution.params, placement, server, cron=arguments.cron)
    if arguments.json:
        show.as_json({"id": submission.id, "url": submission.url, "pipeline_version": submission.version})
    console.print(f"{'Recurring run' if arguments.cron else 'Run'} {submission.id}: {submission.url}", markup=False)
    if not arguments.no_wait and arguments.cron is None:
        with RunDisplay(console) as display:
            outcome = follow(submission.id, server, display)
        console.print(outcome or f"The log of deploy is gone; it had the outcome. See {submission.url}", markup=False)
    return 0


def _resolve_for_cluster(arguments: argparse.Namespace) -> "Resolution":
    """Params without `auto`. Data that only the cluster sees cannot be looked at: then the values must be given."""
    from components.contract.errors import ParamsError
    from components.contract.params.resolve import resolve
    from pipelines.run_options import read_params
    from pipelines.runners.cluster.data_revision import resolve_revision

    params = read_params(arguments)
    uri = resolve_revision(params.data.uri)
    if "://" not in uri and not (arguments.data_claim and uri.startswith("/data/")):
        raise ParamsError(
            f"On a cluster the photos must be named by an address that it reaches (s3://…, "
            f"dvc+<repository>@<revision>:<path>), or lie on a volume: --data-claim NAME and "
            f"--data /data/…; found {uri}."
        )
    missing_keys = [
        key
        for key, value in (
            ("preprocess.image_size", params.preprocess.image_size),
            ("deploy.model_name", params.deploy.model_name),
        )
        if value == "auto"
    ]
    if missing_keys:
        raise ParamsError(
            f"{' and '.join(missing_keys)} must be given, because {uri} cannot be looked at from here: "
            f"{' '.join(f'--set {key}=…' for key in missing_keys)}"
        )
    if MASK in uri:
        log.warning(
            "The address of the data holds a secret, and everybody who sees a run in Kubeflow Pipelines sees its "
            "parameters: it is submitted as %s. Write the whole address into a file and make it a secret in the "
            "namespace of the pipelines, which the preprocess task alone reads: "
            "kubectl create secret generic darkroom-data --from-file=address=FILE",
            uri,
        )
    _check_model_is_reachable(params.train.model, on_volume=bool(arguments.data_claim))
    params = params.model_copy(update={"data": params.data.model_copy(update={"uri": uri})})
    return resolve(params, native_size=params.preprocess.size, data_name=params.deploy.model_name)


def _check_model_is_reachable(model: "ModelParams", *, on_volume: bool) -> None:
    """Refuses a model's file that tasks on a cluster would not find."""
    from components.contract.errors import ParamsError

    files = {"path": model.path, "weights": None if model.weights in ("imagenet", "none") else model.weights}
    if model.from_ is not None and "@" not in model.from_ and "/" in model.from_:
        files["from"] = model.from_
    for key, path in files.items():
        if path is not None and not (on_volume and path.startswith("/data/")):
            raise ParamsError(
                f"On a cluster train.model.{key} must lie on a volume: --data-claim NAME and a path that "
                f"begins with /data/; found {path}. An earlier model can also be named in MLflow's "
                "registry: train.model.from=name@champion."
            )


def _read_placement(arguments: argparse.Namespace) -> "Placement":
    from pipelines.images.build import read_digests
    from pipelines.runners.cluster.placement import Placement

    return Placement(
        images={} if arguments.local_images else read_digests(),
        gpus=arguments.gpus,
        gpu_type=arguments.gpu_type,
        node_selector=dict(arguments.node_selector),
        cpu=arguments.cpu,
        memory=arguments.memory,
        cache=arguments.cache,
        rollout=arguments.rollout,
        data_claim=arguments.data_claim,
    )


def _parse_cpu(text: str) -> str:
    if not re.fullmatch(r"[1-9]\d*m?|\d+\.\d+", text):
        raise argparse.ArgumentTypeError(f"a number of cores is expected, such as 4, 1.5 or 500m; found {text!r}")
    return text


def _parse_label(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"LABEL=VALUE is expected; found {text!r}")
    return name, value
