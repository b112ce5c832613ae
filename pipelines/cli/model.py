"""The verbs of the `darkroom` command around models: model check, summary and export; package."""

import argparse
import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from components.contract.system.posix import USER_ERROR
from pipelines.cli.backbone import add_backbone_actions, parse_backbone

if TYPE_CHECKING:
    from components.contract.params.pipeline import Params
    from components.contract.params.resolve import Resolution
    from components.train.keras_import.facts import ImportedModel
    from components.train.network.summary import NetworkSummary
    from components.train.network.upload_check import Report

PHOTO = (480, 640)
"""Height and width that are taken for those of photos that are not there."""

Verb = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]


def add_model(verb: Verb, add_params_options: Callable[[argparse.ArgumentParser], None]) -> None:
    """Adds `darkroom model` and `darkroom package`."""
    model = verb("model", _check, "look at a model before it is used, or write it for TensorFlow Serving")
    actions = model.add_subparsers(title="actions", metavar="ACTION", required=True)
    text = "tell whether a model file can be uploaded safely, what it is, or why not"
    check = actions.add_parser("check", help=text, description=f"{text[0].upper()}{text[1:]}.")
    check.set_defaults(verb=_check)
    check.add_argument("file", type=Path, metavar="FILE", help="a .keras or .h5 file, or a zip of one")
    check.add_argument(
        "--architecture", type=parse_backbone, metavar="NAME", help="of a file of weights only, such as MobileNetV2"
    )
    check.add_argument("--image-size", type=_parse_size, metavar="HxW", help="for an architecture; default: its own")
    check.add_argument("--classes", type=_parse_classes, metavar="N", help="it is to be used as it is, for so many")
    check.add_argument("--data", metavar="URI", help="it is to be used as it is, for the classes of these photos")
    check.add_argument(
        "--set", action="append", default=[], metavar="train.model.KEY=VALUE", help="as train is to use it"
    )
    check.add_argument("--json", action="store_true", help="print the result as JSON on standard output")

    text = "print the layers of the network that params describe, what they cost, and draw them"
    summary = actions.add_parser("summary", help=text, description=f"{text[0].upper()}{text[1:]}.")
    summary.set_defaults(verb=_summarize)
    add_params_options(summary)
    summary.add_argument("--classes", type=_parse_classes, default=10, metavar="N", help="default: %(default)s")
    summary.add_argument("--output", type=Path, default=Path("network.svg"), help="the drawing; default: %(default)s")
    summary.add_argument("--json", action="store_true", help="print the result as JSON on standard output")

    text = "write a run's model as a SavedModel for TensorFlow Serving, compared with what is served"
    export = actions.add_parser("export", help=text, description=f"{text[0].upper()}{text[1:]}.")
    export.set_defaults(verb=_export)
    export.add_argument("--run", default="latest", help="whose model; default: %(default)s")
    export.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="a new folder")
    export.add_argument("--json", action="store_true", help="print the result as JSON on standard output")

    add_backbone_actions(actions)

    package = verb("package", _package, "make a pretrained network with ImageNet's classes a service, without training")
    package.add_argument("--pretrained", type=parse_backbone, required=True, metavar="NAME", help="such as MobileNetV2")
    package.add_argument("--weights", default="imagenet", metavar="FILE", help="with top; default: %(default)s")
    package.add_argument("--output", type=Path, metavar="FOLDER", help="default: packages/NAME")
    package.add_argument("--json", action="store_true", help="print the result as JSON on standard output")


def _export(arguments: argparse.Namespace) -> int:
    from components.train.export.saved_model import export_saved_model
    from pipelines.cli import show
    from pipelines.runners.runs import find_run

    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
    logging.getLogger("components").setLevel(logging.INFO)
    run = find_run(arguments.run).path
    difference = export_saved_model(run / "dataset", run / "model", run / "evaluation", arguments.output)
    if arguments.json:
        show.as_json({"path": str(arguments.output), "max_probability_difference": difference})
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from components.contract.params.pipeline import load_params
    from components.train.network.upload_check import check_upload
    from pipelines.cli import show

    settings = [f"data.uri={json.dumps(arguments.data or '.')}", *arguments.set]
    settings.append(f"train.model.path={json.dumps(str(arguments.file))}")
    if arguments.architecture:
        settings.append(f"train.model.name={arguments.architecture}")
    params = load_params(None, tuple(settings))
    report = check_upload(
        arguments.file,
        params.train.model,
        num_classes=arguments.classes,
        class_names=_find_classes(arguments.data) if arguments.data else None,
        image_size=arguments.image_size,
    )
    if arguments.json:
        show.as_json(report.model_dump(mode="json"))
    else:
        show.line("\n".join(_format_report(arguments.file, report)))
    return 0 if report.accepted and not report.train_refusals else USER_ERROR


def _find_classes(data: str) -> tuple[str, ...]:
    """The classes of photos."""
    import tempfile

    from components.preprocess.sources.source import find_photos, open_data

    with tempfile.TemporaryDirectory(prefix="darkroom-classes-") as scratch, open_data(data, Path(scratch)) as folder:
        return find_photos(folder).class_names


def _summarize(arguments: argparse.Namespace) -> int:
    from components.contract.system.atomic_files import write_file
    from pipelines.cli import show

    resolution = _resolve(arguments)
    name, costs = _compute_costs(resolution.params, arguments.classes)
    from components.train.network.drawing import draw

    write_file(arguments.output, draw(costs.rows, name).encode())
    if arguments.json:
        show.as_json(costs.model_dump(mode="json") | {"drawing": str(arguments.output)})
        return 0
    show.decisions(show.console(), resolution)
    show.line("\n".join([*_format_table(costs), f"{arguments.output} shows it."]))
    return 0


def _resolve(arguments: argparse.Namespace) -> "Resolution":
    """Params without `auto`, by a look at the data where they are there, else for photos."""
    from components.contract.errors import DataError
    from components.contract.params.resolve import resolve
    from components.train.network.initial_model import inspect_initial_model
    from pipelines.run_options import read_params, resolve_data

    if arguments.data is None and arguments.params is None and not Path("params.yaml").exists():
        arguments.data = "photos"
    try:
        return resolve_data(arguments)
    except DataError:
        params = read_params(arguments)
    params, given_model = inspect_initial_model(params)
    return resolve(params, native_size=PHOTO, data_name="photos", initial_model=given_model)


def _compute_costs(params: "Params", num_classes: int) -> "tuple[str, NetworkSummary]":
    import tempfile

    from components.train.network.initial_model import import_initial_model
    from components.train.tensorflow.start import start_tensorflow

    train, size = params.train, params.preprocess.size
    with tempfile.TemporaryDirectory(prefix="darkroom-model-") as scratch:
        initial_model = import_initial_model(
            train.model, train.input_size(size), class_names=None, folder=Path(scratch) / "model"
        )
        start_tensorflow(train.seed)
        from components.train.network.architecture import build_network
        from components.train.network.summary import summarize_network

        if initial_model is not None and initial_model.layer is None:
            num_classes = initial_model.facts.num_outputs or num_classes
        network = build_network(
            train.model,
            image_size=size,
            num_classes=num_classes,
            batch_size=train.batch_size,
            initial_model=initial_model,
            input_size=train.input_size(size),
        )
    return network.model.name, summarize_network(network, train.batch_size)


def _format_table(costs: "NetworkSummary") -> list[str]:
    from components.contract.layers.shapes import shape_text

    width = max(len(f"{row.name} ({row.kind})") for row in costs.rows)
    head = f"{'layer':<{width}} {'gives':<18} {'parameters':>14} {'multiply-adds':>16}"
    rows = []
    for row in costs.rows:
        weights = f"{row.num_parameters:,}" if row.num_parameters else ""
        work = f"{row.multiply_adds:,}" if row.multiply_adds else ""
        rows.append(
            f"{f'{row.name} ({row.kind})':<{width}} {shape_text(row.gives):<18} {weights:>14} {work:>16}".rstrip()
        )
    return [
        head,
        *rows,
        f"{costs.num_parameters:,} parameters, {costs.weights_bytes / 2**20:.1f} MiB; about "
        f"{costs.multiply_adds / 1e6:,.1f} million multiply-adds for a photo.",
        f"Training every layer takes about {costs.training_bytes / 2**30:.2f} GiB with batches of {costs.batch_size}; "
        "frozen layers take less.",
    ]


def _package(arguments: argparse.Namespace) -> int:
    import logging
    import sys

    from pipelines.cli import show
    from pipelines.package import package

    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
    for name in ("components", "pipelines"):
        logging.getLogger(name).setLevel(logging.INFO)
    output = arguments.output or Path("packages", arguments.pretrained)
    facts = package(arguments.pretrained, arguments.weights, output)
    if arguments.json:
        show.as_json({"tag": facts.tag, "bento": str(output / "bento" / "bento"), "bundle": str(output / "model")})
    else:
        show.line(f"{facts.tag} names {len(facts.class_names):,} classes. Serve it: darkroom serve {output}")
    return 0


def _parse_classes(text: str) -> int:
    if not text.isdecimal() or int(text) < 2:
        raise argparse.ArgumentTypeError(f"a number of classes from 2 is expected; found {text!r}")
    return int(text)


def _format_report(path: Path, report: "Report") -> list[str]:
    """The report for people."""
    if report.model is None:
        return [f"Refused after {report.seconds:.1f} s: {report.reason}"]
    rows = [f"{name:<14} {value}" for name, value in _list_facts(report.model)]
    if not report.train_refusals:
        return [f"{path} can be used (checked in {report.seconds:.1f} s).", *rows]
    refusals = [f"{number}. {refusal}" for number, refusal in enumerate(report.train_refusals, 1)]
    return [
        f"{path} is safe (checked in {report.seconds:.1f} s), and train would refuse it like this:",
        *refusals,
        *rows,
    ]


def _list_facts(model: "ImportedModel") -> list[tuple[str, str]]:
    size = " × ".join("open" if side is None else str(side) for side in model.input_shape)
    gives = {
        "softmax": "probabilities that sum to 1",
        "sigmoid": "a probability for each",
        "values": "values without an activation, such as logits",
        "features": "a map of features, without a head",
    }[model.output]
    outputs = " × ".join(map(str, model.output_shape))
    preprocessing = model.preprocessing
    pixels = (
        "not told: say what it was trained on"
        if preprocessing is None
        else f"{preprocessing.pixels}. {preprocessing.why}"
    )
    return [
        ("file", f"{model.form}, Keras {model.keras_version}"),
        ("takes", f"{size}, {model.input_dtype}"),
        ("pixels", pixels),
        ("gives", f"{outputs} {gives}"),
        *([("classes", ", ".join(model.class_names))] if model.class_names else []),
        ("layers", f"{model.num_layers:,}"),
        ("parameters", f"{model.num_parameters:,}"),
        ("uploaded", f"sha256 {model.uploaded_sha256}"),
    ]


def _parse_size(text: str) -> tuple[int, int]:
    height, cross, width = text.partition("x")
    if not (height.isdecimal() and cross and width.isdecimal() and min(int(height), int(width)) >= 1):
        raise argparse.ArgumentTypeError(f"HEIGHTxWIDTH in pixels is expected, such as 224x224; found {text!r}")
    return int(height), int(width)
