"""Test helpers: run the evaluate step on a folder that contains dataset/ and model/."""

from pathlib import Path
from typing import Any

from components.contract.artifacts.bundle import read_bundle
from components.contract.params.pipeline import EvaluateParams
from components.contract.system.atomic_files import write_json
from components.evaluate.step import evaluate

PARAMS = EvaluateParams(bootstrap_resamples=200)


def run(folder: Path, **changes: Any) -> Path:
    evaluate(folder / "dataset", folder / "model", PARAMS.model_copy(update=changes), "colors", folder / "evaluation")
    return folder / "evaluation"


def change_bundle(folder: Path, **changes: Any) -> None:
    write_json(folder / "model" / "bundle.json", read_bundle(folder / "model").model_copy(update=changes))
