"""The verbs of the `darkroom` command that lead to containers and clusters: images, submit."""

import argparse
import logging
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from components.contract.system.address import MASK
from pipelines.images.build import IMAGES, PUBLIC_BASE

if TYPE_CHECKING:
    from components.contract.params.model import ModelParams
    from components.contract.params.resolve import Resolution
    from pipelines.runners.cluster.client import Server
    from pipelines.runners.cluster.placement import Placement

log = logging.getLogger(__name__)

ENDPOINT_VARIABLE, TOKEN_VARIABLE = "KF_PIPELINES_ENDPOINT", "KF_PIPELINES_TOKEN"

Verb = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]


def add_images(verb: Verb) -> None:
    """Adds `darkroom images build`, `darkroom images push` and `darkroom images pin`."""
    images = verb("images", _build_images, "build the container images, push them to a registry, or pin what they need")
    actions = images.add_subparsers(title="actions", metavar="ACTION", required=True)

    def action(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        action_parser = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        action_parser.set_defaults(verb=run)
        return action_parser

    build = action("build", _build_images, "build all images, or those that are named, and print their sizes")
    build.add_argument("--base-image", default=PUBLIC_BASE, metavar="IMAGE", help="default: %(default)s")
    build.add_argument("--network", help="the network of the build, such as host; default: Docker's")
    build.add_argument("--index-url", metavar="URL", help="a package index of your own; put no password in it")
    build.add_argument("--offline", action="store_true", help="take packages from the folder wheels/ alone")

    push = action("push", _push_images, "push the images and print their digests, which `darkroom submit` then uses")
    push.add_argument("registry", metavar="REGISTRY", help="such as registry.example.org/team")

    pin = action(
        "pin", _pin_images, "write the digests of the base image and of k8s/'s public images behind their tags"
    )

    for parser in (build, push):
        parser.add_argument("--image", action="append", choices=IMAGES, help="only this one; may be repeated")
        parser.add_argument("--gpu", action="store_true", help="the image of train that holds CUDA")
    for parser in (build, push, pin):
        parser.add_argument("--json", action="store_true", help="print the result as JSON on standard output")


def _build_images(arguments: argparse.Namespace) -> int:
    from pipelines.cli import show
    from pipelines.images import build as images

    options = images.BuildOptions(
        base_image=arguments.base_image,
        gpu=arguments.gpu,
        network=arguments.network,
        index_url=arguments.index_url,
        offline=arguments.offline,
    )
    sizes = {}
    for image in arguments.image or images.IMAGES:
        gpu = arguments.gpu and image == "train"
        sizes[images.image_name(image, gpu=gpu)] = images.build(image, options)
        show.line(f"Its bill of materials: {images.write_sbom(image, gpu=gpu)}", to_stderr=True)
    if arguments.json:
        show.as_json(sizes)
    else:
        for name, size in sizes.items():
            print(f"{name:<40} {show.megabytes(size):>12}")
    return 0


def _push_images(arguments: argparse.Namespace) -> int:
    from pipelines.cli import show
    from pipelines.images import build as images

    digests = {}
    for image in arguments.image or images.IMAGES:
        digests[image] = images.push(image, arguments.registry, gpu=arguments.gpu and image == "train")
    images.write_digests(digests)
    if arguments.json:
        show.as_json(digests)
    else:
        print(*digests.values(), sep="\n")
    return 0


def _pin_images(arguments: argparse.Namespace) -> int:
    from pipelines.cli import show
    from pipelines.images import pins

    digests = pins.pin()
    if arguments.json:
        show.as_json(digests)
    else:
        print(*(f"{name}@{digest}" for name, digest in digests.items()), sep="\n")
    return 0


def add_submit(verb: Verb, add_params_options: Callable[[argparse.ArgumentParser], None]) -> None:
    """Adds `darkroom submit`."""
    submit = verb("submit", _submit, "run the pipeline on a cluster with Kubeflow Pipelines")
    add_params_options(submit)
    server = submit.add_argument_group("the server")
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
    from pipelines.cli.run_display import RunDisplay
    from pipelines.runners.cluster.compilation import compile_pipeline
    from pipelines.runners.cluster.submission import submit
    from pipelines.runners.cluster.watching import follow

    console = show.console(to_stderr=arguments.json)
    resolution, placement = _resolve_for_cluster(arguments), _read_placement(arguments)
    if arguments.output is not None:
        compile_pipeline(resolution.params, arguments.output, placement)
        show.line(f"Wrote {arguments.output}.", to_stderr=True)
        return 0
    server = _read_server(arguments)
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


def _read_server(arguments: argparse.Namespace) -> "Server":
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


def _parse_cpu(text: str) -> str:
    if not re.fullmatch(r"[1-9]\d*m?|\d+\.\d+", text):
        raise argparse.ArgumentTypeError(f"a number of cores is expected, such as 4, 1.5 or 500m; found {text!r}")
    return text


def _parse_label(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"LABEL=VALUE is expected; found {text!r}")
    return name, value
