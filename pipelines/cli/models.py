"""The verbs for models: model, package."""

from pathlib import Path

import click

from components.contract.artifacts.exported_model import FORMATS, Format
from components.contract.system.posix import USER_ERROR
from pipelines.cli.frame import Verb, Verbs
from pipelines.option_values import PATH, parse_backbone, parse_image_size, parse_num_classes
from pipelines.run_options import json_option, params_options, set_option


@click.group(cls=Verbs)
def model() -> None:
    """Check and describe models, or export one to another format."""


@model.command()
@click.argument("file", metavar="FILE", type=PATH, help="A .keras or .h5 file, or a zip file that contains one.")
@click.option(
    "--architecture",
    type=parse_backbone,
    metavar="NAME",
    help="The network that a weights file is for, such as MobileNetV2.",
)
@click.option(
    "--image-size",
    type=parse_image_size,
    metavar="HxW",
    help="The input size of the architecture.",
    show_default="the architecture's own",
)
@click.option(
    "--classes",
    "num_classes",
    type=parse_num_classes,
    metavar="N",
    help="Check that the model can be used unchanged for N classes.",
)
@click.option("--data", metavar="URI", help="Check that the model can be used unchanged for these photos.")
@set_option
@json_option
def check(
    file: Path,
    architecture: str | None,
    image_size: tuple[int, int] | None,
    num_classes: int | None,
    data: str | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> int:
    """Check whether a model file is safe and can be trained, and describe it.

    --set train.model.KEY=VALUE checks the file with this param.
    """
    from pipelines.cli import show, tables
    from pipelines.models.check import check_model

    report = check_model(
        file,
        architecture=architecture,
        image_size=image_size,
        num_classes=num_classes,
        data=data,
        settings=settings,
    )
    if as_json:
        show.as_json(report.model_dump(mode="json"))
    else:
        show.line("\n".join(tables.upload_report(file, report)))
    return 0 if report.accepted and not report.train_refusals else USER_ERROR


@model.command()
@params_options
@click.option(
    "--classes", "num_classes", type=parse_num_classes, default=10, metavar="N", help="The number of classes."
)
@click.option("--output", type=PATH, default=Path("network.svg"), metavar="FILE", help="Where to save the drawing.")
@json_option
def summary(
    data: str | None, params: Path | None, settings: tuple[str, ...], num_classes: int, output: Path, as_json: bool
) -> None:
    """Print the layers and the cost of the network that the params describe, and draw it."""
    from pipelines.cli import show, tables
    from pipelines.models.summary import resolve_model, summarize_model

    resolution = resolve_model(data, params, settings)
    costs = summarize_model(resolution, num_classes, output)
    if as_json:
        show.as_json(costs.model_dump(mode="json") | {"drawing": str(output)})
        return
    show.decisions(show.console(), resolution)
    show.line("\n".join([*tables.network(costs), f"Drawing: {output}"]))


@model.command()
@click.option("--run", default="latest", metavar="RUN", help="The run whose model is exported.")
@click.option(
    "--format",
    "format_name",
    type=click.Choice(FORMATS),
    default="savedmodel",
    help="The format: savedmodel for TensorFlow Serving, litert for phones.",
)
@click.option("--output", required=True, type=PATH, metavar="FOLDER", help="A new folder for the exported model.")
@json_option
def export(run: str, format_name: str, output: Path, as_json: bool) -> None:
    """Export the model of a run to another format, and compare it with the service."""
    from dataclasses import asdict
    from typing import cast

    from components.train.export.formats.export import export_model
    from pipelines.cli import show
    from pipelines.runners.runs import find_run

    show.log_progress()
    run_dir = find_run(run).path
    exported = export_model(
        run_dir / "dataset", run_dir / "model", run_dir / "evaluation", output, cast(Format, format_name)
    )
    if as_json:
        show.as_json(asdict(exported))


@model.command()
@params_options
@click.option(
    "--candidate",
    "candidates",
    multiple=True,
    metavar="NAME_OR_FILE",
    help="A backbone, a weights file or a model file. Can be repeated.",
    show_default="those of the preset",
)
@json_option
def probe(
    data: str | None, params: Path | None, settings: tuple[str, ...], candidates: tuple[str, ...], as_json: bool
) -> None:
    """Compare pretrained networks on photos by training a linear head on their frozen features."""
    from components.train.probe.choose import table_lines
    from pipelines.cli import show
    from pipelines.models.probe import probe_networks

    console = show.console(to_stderr=True)
    show.log_progress()
    result = probe_networks(
        data, params, settings, candidates=candidates, show=lambda resolution: show.decisions(console, resolution)
    )
    if as_json:
        show.as_json(result.model_dump(mode="json"))
    else:
        show.line("\n".join(table_lines(result)))


@model.command()
@click.argument("name", metavar="NAME", type=parse_backbone, help="A pretrained network, such as MobileNetV2.")
@click.option(
    "--output",
    type=PATH,
    metavar="FILE",
    help="Instead of printing the layers, write [layer, block] pairs to this JSON file.",
)
def layers(name: str, output: Path | None) -> None:
    """List the trainable layers of a pretrained network."""
    from components.contract.system.atomic_files import write_json
    from pipelines.models.backbones import list_layers

    pairs = list_layers(name)
    if output is not None:
        write_json(output, pairs)
    else:
        print(*(layer for layer, _ in pairs), sep="\n")


@model.command()
@click.argument(
    "names",
    metavar="NAME...",
    nargs=-1,
    required=True,
    type=parse_backbone,
    help="Pretrained networks, such as MobileNetV2.",
)
@click.option("--output", type=PATH, metavar="FILE", help="Add the time of each network to this JSON file.")
def speed(names: tuple[str, ...], output: Path | None) -> None:
    """Measure how long pretrained networks take per photo on this machine."""
    from pipelines.models.backbones import measure_all

    for name, milliseconds in measure_all(names, output):
        print(f"{name:<18} {milliseconds:8.1f} ms per photo", flush=True)


@click.command(cls=Verb)
@click.option(
    "--pretrained", "name", required=True, type=parse_backbone, metavar="NAME", help="A network, such as MobileNetV2."
)
@click.option("--weights", default="imagenet", metavar="FILE", help="A weights file that includes the top layer.")
@click.option(
    "--output",
    type=PATH,
    metavar="FOLDER",
    help="The folder for the package.",
    show_default="packages/NAME",
)
@json_option
def package(name: str, weights: str, output: Path | None, as_json: bool) -> None:
    """Package a pretrained network with ImageNet's classes as a service, without training."""
    from pipelines.cli import show
    from pipelines.package import package

    show.log_progress()
    folder = output or Path("packages", name)
    facts = package(name, weights, folder)
    if as_json:
        show.as_json({"tag": facts.tag, "bento": str(folder / "bento" / "bento"), "bundle": str(folder / "model")})
    else:
        show.line(f"{facts.tag} has {len(facts.class_names):,} classes. To serve it: darkroom serve {folder}")


VERBS = (model, package)
