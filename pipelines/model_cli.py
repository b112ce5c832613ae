"""The verbs of the `darkroom` command that look at models: model check."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from components.contract.console import MENDABLE

if TYPE_CHECKING:
    from components.train.imported.facts import ImportedModel
    from components.train.imported.importing import Report

Verb = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]


def add_model(verb: Verb) -> None:
    """Adds `darkroom model check`."""
    model = verb("model", _check, "look at a model before it is used")
    actions = model.add_subparsers(title="actions", metavar="ACTION", required=True)
    text = "tell whether a model file can be uploaded safely, what it is, or why not"
    check = actions.add_parser("check", help=text, description=f"{text[0].upper()}{text[1:]}.")
    check.set_defaults(verb=_check)
    check.add_argument("file", type=Path, metavar="FILE", help="a .keras or .h5 file, or a zip of one")
    check.add_argument("--architecture", metavar="NAME", help="of a file of weights only, such as MobileNetV2")
    check.add_argument("--image-size", type=_size, metavar="HxW", help="for an architecture; default: its own")
    check.add_argument("--classes", type=int, metavar="N", help="it is to be used as it is, for so many classes")
    check.add_argument("--json", action="store_true", help="print the result as JSON on standard output")


def _check(arguments: argparse.Namespace) -> int:
    from components.train.imported.importing import Expectation, check_model
    from pipelines import show

    report = check_model(arguments.file, expected=Expectation(
        num_classes=arguments.classes, architecture=arguments.architecture, image_size=arguments.image_size
    ))  # fmt: skip
    if arguments.json:
        show.as_json(report.model_dump(mode="json"))
    else:
        print(*_lines(arguments.file, report), sep="\n")
    return 0 if report.accepted else MENDABLE


def _lines(path: Path, report: "Report") -> list[str]:
    """The report for people."""
    if report.model is None:
        return [f"Refused after {report.seconds:.1f} s: {report.reason}"]
    rows = [f"{name:<14} {value}" for name, value in _facts(report.model)]
    return [f"{path} can be used (checked in {report.seconds:.1f} s).", *rows]


def _facts(model: "ImportedModel") -> list[tuple[str, str]]:
    size = " × ".join("open" if side is None else str(side) for side in model.input_shape)
    gives = {
        "softmax": "probabilities that sum to 1", "sigmoid": "a probability for each",
        "values": "values without an activation, such as logits", "features": "a map of features, without a head",
    }[model.output]  # fmt: skip
    outputs = " × ".join(map(str, model.output_shape))
    said = model.preprocessing
    pixels = "not told: say what it was trained on" if said is None else f"{said.pixels}. {said.why}"
    return [
        ("file", f"{model.form}, Keras {model.keras_version}"),
        ("takes", f"{size}, {model.input_dtype}"),
        ("pixels", pixels),
        ("gives", f"{outputs} {gives}"),
        ("layers", f"{model.num_layers:,}"),
        ("parameters", f"{model.num_parameters:,}"),
        ("uploaded", f"sha256 {model.uploaded_sha256}"),
    ]


def _size(text: str) -> tuple[int, int]:
    height, cross, width = text.partition("x")
    if not (height.isdecimal() and cross and width.isdecimal() and min(int(height), int(width)) >= 1):
        raise argparse.ArgumentTypeError(f"HEIGHTxWIDTH in pixels is expected, such as 224x224; found {text!r}")
    return int(height), int(width)
