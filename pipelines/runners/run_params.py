"""Converts the params of a run to the pipeline's arguments, and writes them to a file."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.contract.params.pipeline import Params, dump_section, parse_section
from components.contract.params.training import TrainParams
from components.contract.system.atomic_files import write_file


def pipeline_arguments(params: Params) -> dict[str, str]:
    """Returns the arguments of the pipeline that `pipelines.training.training` builds."""
    return {
        "data": params.data.uri,
        "data_columns": dump_section(params.data.columns),
        "model_name": params.deploy.model_name,
        "preprocess_params": dump_section(params.preprocess),
        "tune_params": dump_section(params.tune),
        "train_params": dump_section(params.train),
        "evaluate_params": dump_section(params.evaluate),
        "deploy_params": dump_section(params.deploy),
    }


def count_tasks(params: Params) -> dict[str, int]:
    """Returns the arguments of `pipelines.training.training`: how many tasks share the work of each step."""
    return {
        "searchers": params.tune.searchers,
        "readers": params.data.workers,
        "feature_workers": params.data.feature_workers,
    }


def with_trained(params: Params, bundle_dir: Path) -> Params:
    """Returns the params with the train section that the model was trained with, which may differ from the original.

    A time limit, a search or the choice of a network may have changed it.
    """
    from components.contract.artifacts.bundle import read_bundle

    train = parse_section(TrainParams, json.dumps(read_bundle(bundle_dir).params))
    return params.model_copy(update={"train": train})


def write_params(path: Path, params: Params, comment: str) -> None:
    """Writes the params to a file for `--params`, atomically because the studio can read the file at any time."""
    write_file(path, f"# {comment}\n{dump_yaml(params.model_dump(mode='json'))}".encode())


def dump_yaml(tree: Mapping[str, Any], width: int | None = None) -> str:
    """Formats params as YAML.

    Args:
        tree: the params by section.
        width: the line width in characters; None for ruamel's default.
    """
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = width
    text = io.StringIO()
    yaml.dump(dict(tree), text)
    return text.getvalue()
