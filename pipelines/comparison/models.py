"""The models of a comparison: finished runs, and params that are to be trained."""

import json
from dataclasses import dataclass
from pathlib import Path

from components.contract.errors import ArtifactError
from components.contract.params.pipeline import Params, load_params, parse_section
from pipelines.runners.runs import PARAMS_FILE, RunFolder


@dataclass(frozen=True)
class Model:
    """What is to be compared.

    Attributes:
        name: no other has it.
        params: resolved.
        run: the finished run that has trained it already.
    """

    name: str
    params: Params
    run: RunFolder | None = None


@dataclass(frozen=True)
class TrainedModel:
    """A model with all its trainings."""

    model: Model
    dataset_dir: Path
    bundle_dirs: tuple[Path, ...]
    seeds: tuple[int, ...]
    minutes: float


def model_of_run(folder: RunFolder) -> Model:
    """A finished run as something to compare.

    Raises:
        ArtifactError: it has not finished.
        ParamsError: its params are of another version.
    """
    summary = folder.summary
    if summary is None:
        raise ArtifactError(f"Only a finished run can be compared; {folder.path.name} is not.")
    from components.contract.artifacts.bundle import read_bundle
    from components.contract.params.training import TrainParams

    params = load_params(folder.path / PARAMS_FILE)
    # What the search found, where there was one, stands in the bundle.
    train = parse_section(TrainParams, json.dumps(read_bundle(folder.path / "model").params))
    params = params.model_copy(update={"train": train})
    return Model(f"{summary['model']['name']} of {folder.path.name}", params, folder)
