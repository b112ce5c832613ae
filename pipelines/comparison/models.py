"""The models of a comparison: finished runs, and params to train."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.contract.errors import ArtifactError
from components.contract.params.pipeline import Params, load_params
from components.contract.params.resolve import Resolution
from pipelines.run_options import resolve_data
from pipelines.runners.run_params import with_trained
from pipelines.runners.runs import PARAMS_FILE, RunFolder, find_run, list_runs

PARAMS_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class Model:
    """A model to compare.

    Attributes:
        name: its name, which is unique in the comparison.
        params: the resolved params.
        run: the finished run that trained the model; None if the model is not trained yet.
    """

    name: str
    params: Params
    run: RunFolder | None = None


@dataclass(frozen=True)
class TrainedModel:
    """A model with the bundles of all its training runs, one for each seed.

    Attributes:
        model: the model.
        dataset_dir: the data set that it was trained on.
        bundle_dirs: the bundle of each training run.
        seeds: the seed of each training run.
        minutes: the average duration of a training run.
    """

    model: Model
    dataset_dir: Path
    bundle_dirs: tuple[Path, ...]
    seeds: tuple[int, ...]
    minutes: float


def model_of_run(folder: RunFolder) -> Model:
    """Returns the model of a finished run.

    Raises:
        ArtifactError: the run has not finished.
        ParamsError: the run's params are from an incompatible version.
    """
    summary = folder.summary
    if summary is None:
        raise ArtifactError(f"Only a finished run can be compared; {folder.path.name} is not finished.")
    params = with_trained(load_params(folder.path / PARAMS_FILE), folder.path / "model")
    return Model(f"{summary['model']['name']} of {folder.path.name}", params, folder)


def collect_models(
    names: Sequence[str],
    trials: Sequence[Sequence[str]],
    data: str | None,
    params: Path | None,
    settings: Sequence[str],
    show: Callable[[str, Resolution], None],
) -> list[Model]:
    """Collects the models of a comparison, with unique names; uses all finished runs if no models are named.

    Args:
        names: run ids and params files.
        trials: for each model to train, the params to change, each as `section.key=value`.
        data: the address of the photos.
        params: the params file that the trials change.
        settings: the params to change for all models to train, each as `section.key=value`.
        show: called with the name and the resolved params of each model to train.

    Raises:
        ArtifactError: a run does not exist or has not finished.
        ParamsError: a value is invalid.
    """

    def plan(name: str, params: Path | None, settings: Sequence[str]) -> Model:
        resolution = resolve_data(data, params, settings)
        show(name, resolution)
        return Model(name, resolution.params)

    models = []
    for name in names:
        is_file = Path(name).suffix in PARAMS_SUFFIXES
        models.append(plan(Path(name).stem, Path(name), settings) if is_file else model_of_run(find_run(name)))
    models += [plan(_describe(values), params, (*settings, *values)) for values in trials]
    if not models:
        models = [model_of_run(folder) for folder in list_runs() if folder.summary is not None]
    return list(_name_uniquely(models))


def _describe(settings: Sequence[str]) -> str:
    """Names a model after its settings, such as `MobileNetV2, image_size 150`."""
    parts = []
    for setting in settings:
        key, _, text = setting.partition("=")
        last = key.rpartition(".")[2]
        if last == "weights":  # a path, which does not describe the model
            continue
        parts.append(text if last == "name" else f"{last} {text}")
    return ", ".join(parts) or "model"


def _name_uniquely(models: Sequence[Model]) -> Iterator[Model]:
    """Yields the models with unique names: a repeated name gets a number."""
    num_by_name: dict[str, int] = {}
    for model in models:
        number = num_by_name[model.name] = num_by_name.get(model.name, 0) + 1
        yield model if number == 1 else dataclasses.replace(model, name=f"{model.name} ({number})")
