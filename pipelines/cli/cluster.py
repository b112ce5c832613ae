"""The verbs for containers and clusters: compile, submit, schedules, images."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import click

from pipelines.cli.frame import Verb, Verbs
from pipelines.cli.placement_options import placement_options
from pipelines.images.build import IMAGES, PUBLIC_BASE, STUDIO
from pipelines.option_values import PATH
from pipelines.run_options import json_option, params_options
from pipelines.runners.cluster.server_login import ENDPOINT_VARIABLE, TOKEN_VARIABLE

Function = TypeVar("Function", bound=Callable[..., Any])


def server_options(function: Function) -> Function:
    """Adds the options for the address of a KFP server and for logging in to it."""
    for option in (
        click.option("--insecure", is_flag=True, help="Do not verify the certificate of the server."),
        click.option(
            "--ca-cert",
            type=PATH,
            metavar="FILE",
            help="The certificates to verify the server with.",
        ),
        click.option("--namespace", metavar="NAME", help="The namespace in a multi-user installation."),
        click.option(
            "--token-file",
            type=PATH,
            metavar="FILE",
            help="A file with the token.",
            show_default=TOKEN_VARIABLE,
        ),
        click.option(
            "--host",
            envvar=ENDPOINT_VARIABLE,
            show_envvar=True,
            metavar="URL",
            help="The address of Kubeflow Pipelines.",
        ),
    ):
        function = option(function)
    return function


@click.command("compile", cls=Verb)
@params_options
@click.option(
    "--output",
    type=PATH,
    default=Path("build/training.yaml"),
    metavar="FILE",
    help="The file to write, *.yaml or *.json.",
)
@json_option
def compile_file(data: str | None, params: Path | None, settings: tuple[str, ...], output: Path, as_json: bool) -> None:
    """Write the pipeline as a file for Kubeflow Pipelines."""
    from pipelines.cli import show
    from pipelines.run_options import resolve_data
    from pipelines.runners.cluster.compilation import compile_pipeline

    resolution = resolve_data(data, params, settings)
    compile_pipeline(resolution.params, output)
    if as_json:
        show.as_json({"output": str(output), "decisions": resolution.decisions})
    else:
        show.decisions(show.console(), resolution)
        show.line(f"Wrote {output}.")


@click.command(cls=Verb)
@params_options
@server_options
@placement_options
@click.option("--cache/--no-cache", default=True, help="Skip tasks (except deploy) whose inputs are unchanged.")
@click.option(
    "--local-images",
    is_flag=True,
    help="Use the locally built container images instead of images in a registry (for local clusters such as kind or "
    "minikube).",
)
@click.option("--cron", metavar="FIELDS", help="Run on a schedule: six cron fields, such as '0 0 3 * * 1'.")
@click.option("--no-wait", is_flag=True, help="Return as soon as the server has accepted the run.")
@click.option("--output", type=PATH, metavar="FILE", help="Write the pipeline to this file, but do not submit it.")
@json_option
def submit(
    data: str | None,
    params: Path | None,
    settings: tuple[str, ...],
    host: str | None,
    token_file: Path | None,
    namespace: str | None,
    ca_cert: Path | None,
    insecure: bool,
    gpus: int,
    gpu_type: str,
    node_labels: tuple[tuple[str, str], ...],
    cpu: str | None,
    memory: str | None,
    data_claim: str | None,
    rollout: str | None,
    queue: str | None,
    spot: tuple[str, str] | None,
    store: str | None,
    photos: int,
    cache: bool,
    local_images: bool,
    cron: str | None,
    no_wait: bool,
    output: Path | None,
    as_json: bool,
) -> None:
    """Run the pipeline on a cluster with Kubeflow Pipelines."""
    from pipelines.cli import show
    from pipelines.cli.run_display import RunDisplay
    from pipelines.images.build import read_digests
    from pipelines.run_options import read_params
    from pipelines.runners.cluster.compilation import compile_pipeline
    from pipelines.runners.cluster.estimate import describe_estimate
    from pipelines.runners.cluster.kubernetes.volumes import check_volumes
    from pipelines.runners.cluster.placement import Placement
    from pipelines.runners.cluster.resolution import resolve_for_cluster
    from pipelines.runners.cluster.server_login import read_server
    from pipelines.runners.cluster.submission import submit
    from pipelines.runners.cluster.watching import follow
    from pipelines.runners.run_params import count_tasks

    console = show.console(to_stderr=as_json)
    resolution = resolve_for_cluster(read_params(data, params, settings), on_volume=data_claim is not None)
    placement = Placement(
        images={} if local_images else read_digests(),
        gpus=gpus,
        gpu_type=gpu_type,
        node_selector=dict(node_labels),
        cpu=cpu,
        memory=memory,
        cache=cache,
        rollout=rollout,
        data_claim=data_claim,
        queue=queue,
        spot=spot,
        store=store,
    )
    if photos:
        for line in describe_estimate(resolution.params, placement, photos):
            show.line(line, to_stderr=True)
    if output is not None:
        compile_pipeline(resolution.params, output, placement)
        show.line(f"Wrote {output}.", to_stderr=True)
        return
    server = read_server(host, token_file, namespace, ca_cert, verify=not insecure)
    check_volumes(placement, max(count_tasks(resolution.params).values()), server.task_namespace)
    show.decisions(console, resolution)
    submission = submit(resolution.params, placement, server, cron=cron)
    if as_json:
        show.as_json({"id": submission.id, "url": submission.url, "pipeline_version": submission.version})
    console.print(f"{'Recurring run' if cron else 'Run'} {submission.id}: {submission.url}", markup=False)
    if not no_wait and cron is None:
        with RunDisplay(console) as display:
            outcome = follow(submission.id, server, display)
        console.print(
            outcome or f"The deploy log, which contains the outcome, is no longer available. See {submission.url}",
            markup=False,
        )


@click.command(cls=Verb)
@click.option(
    "--end",
    "ended_ids",
    multiple=True,
    metavar="ID",
    help="End this recurring run. Can be repeated.",
)
@server_options
@json_option
def schedules(
    ended_ids: tuple[str, ...],
    host: str | None,
    token_file: Path | None,
    namespace: str | None,
    ca_cert: Path | None,
    insecure: bool,
    as_json: bool,
) -> None:
    """List or end the recurring runs created by submit --cron."""
    from pipelines.cli import show
    from pipelines.runners.cluster.schedules import end_schedule, list_schedules
    from pipelines.runners.cluster.server_login import read_server

    server = read_server(host, token_file, namespace, ca_cert, verify=not insecure)
    for schedule_id in ended_ids:
        end_schedule(schedule_id, server)
        show.line(f"Ended {schedule_id}. Runs that it has already started continue.", to_stderr=as_json)
    recurring_runs = list_schedules(server)
    if as_json:
        show.as_json([asdict(schedule) for schedule in recurring_runs])
    elif not recurring_runs:
        show.line("There are no recurring runs. To create one: darkroom submit --cron FIELDS")
    else:
        rows = [[schedule.id, schedule.name, schedule.cron, schedule.status] for schedule in recurring_runs]
        show.listing(show.console(), ("id", "name", "cron", "status"), rows, fold_column="name")


@click.group(cls=Verbs)
def images() -> None:
    """Build the container images, push them to a registry, or pin the images that they need."""


image_option = click.option(
    "--image",
    "names",
    multiple=True,
    type=click.Choice((*IMAGES, STUDIO)),
    help="Restrict the command to this image. Can be repeated.",
    show_default="all but studio",
)
gpu_option = click.option("--gpu", is_flag=True, help="Use the variant of the train image that contains CUDA.")


@images.command()
@click.option("--base-image", default=PUBLIC_BASE, metavar="IMAGE", help="The image to build on.")
@click.option(
    "--network", metavar="NAME", help="The network for the build, such as host.", show_default="Docker's default"
)
@click.option("--index-url", metavar="URL", help="Your own package index. The URL must not contain a password.")
@click.option("--offline", is_flag=True, help="Install packages only from the folder wheels/.")
@image_option
@gpu_option
@json_option
def build(
    base_image: str,
    network: str | None,
    index_url: str | None,
    offline: bool,
    names: tuple[str, ...],
    gpu: bool,
    as_json: bool,
) -> None:
    """Build all images for a cluster, or only those selected with --image, and print their sizes."""
    from pipelines.cli import show
    from pipelines.images.build import BuildOptions, build_all

    options = BuildOptions(base_image=base_image, gpu=gpu, network=network, index_url=index_url, offline=offline)
    sizes = {}
    for built in build_all(names or IMAGES, options):
        sizes[built.name] = built.num_bytes
        show.line(f"Bill of materials: {built.sbom_path}", to_stderr=True)
    if as_json:
        show.as_json(sizes)
    else:
        for name, size in sizes.items():
            print(f"{name:<40} {show.megabytes(size):>12}")


@images.command()
@click.argument("registry", metavar="REGISTRY", help="The registry, such as registry.example.org/team.")
@image_option
@gpu_option
@json_option
def push(registry: str, names: tuple[str, ...], gpu: bool, as_json: bool) -> None:
    """Push the images and print their digests, which darkroom submit then uses."""
    from pipelines.cli import show
    from pipelines.images.build import push_all

    digests = push_all(names or IMAGES, registry, gpu=gpu)
    if as_json:
        show.as_json(digests)
    else:
        print(*digests.values(), sep="\n")


@images.command()
@json_option
def pin(as_json: bool) -> None:
    """Pin the base image and the public images in compose.yaml and k8s/: write their digests after their tags."""
    from pipelines.cli import show
    from pipelines.images import pins

    digests = pins.pin()
    if as_json:
        show.as_json(digests)
    else:
        print(*(f"{name}@{digest}" for name, digest in digests.items()), sep="\n")


VERBS = (compile_file, submit, schedules, images)
