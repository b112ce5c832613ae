"""The options of `submit` that determine where the tasks run and which resources they get."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from pipelines.option_values import parse_cores, parse_count, parse_deployment, parse_label

Function = TypeVar("Function", bound=Callable[..., Any])


def placement_options(function: Function) -> Function:
    """Adds the options for a `Placement`, and --photos, which requests an estimate of the pod-hours."""
    for option in (
        click.option(
            "--photos",
            type=parse_count,
            default=0,
            metavar="N",
            help="Estimate the pod-hours for this number of photos.",
        ),
        click.option(
            "--store", metavar="ADDRESS", help="The store that all tasks share, such as s3://bucket/darkroom."
        ),
        click.option(
            "--spot",
            type=parse_label,
            metavar="LABEL=VALUE",
            help="Use the spot nodes with this label for tasks that can resume.",
        ),
        click.option("--queue", metavar="NAME", help="The Kueue LocalQueue that admits the tasks."),
        click.option(
            "--rollout",
            type=parse_deployment,
            metavar="NAMESPACE/DEPLOYMENT",
            help="Where to roll out a promoted model, such as darkroom/darkroom-serve.",
        ),
        click.option("--data-claim", metavar="NAME", help="A volume claim with the photos, mounted at /data."),
        click.option("--memory", metavar="SIZE", help="The memory for tune and train, such as 16Gi."),
        click.option(
            "--cpu", type=parse_cores, metavar="CORES", help="The cores that tune and train request, such as 4 or 500m."
        ),
        click.option(
            "--node-selector",
            "node_labels",
            multiple=True,
            type=parse_label,
            metavar="LABEL=VALUE",
            help="A label of the nodes that tune and train can run on. Can be repeated.",
        ),
        click.option(
            "--gpu-type", default="nvidia.com/gpu", metavar="RESOURCE", help="The Kubernetes resource name of GPUs."
        ),
        click.option("--gpus", type=parse_count, default=0, metavar="N", help="The number of GPUs for tune and train."),
    ):
        function = option(function)
    return function
