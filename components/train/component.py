"""KFP components of the train step: the search, the computation of features by parallel tasks, and the training."""

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Metrics, Model, Output


@dsl.component(base_image="darkroom-train-python:0.2.0", install_kfp_package=False)
def compute_features(dataset: Input[Dataset], params: str, part: int, parts: int) -> None:
    """Computes one part of the frozen layers' outputs, which tune and train read."""
    from pathlib import Path

    from components.contract.params.pipeline import parse_section
    from components.contract.params.training import TrainParams
    from components.contract.tracking.tracked_step import tracked_step
    from components.train.feature_parts import compute_features as run

    with tracked_step(f"compute-features-{part + 1}" if part else "compute-features"):  # the name of the task in KFP
        run(Path(dataset.path), parse_section(TrainParams, params), part, parts)


@dsl.component(base_image="darkroom-train-python:0.2.0", install_kfp_package=False)
def tune(dataset: Input[Dataset], params: str, train_params: str, study: Output[Artifact], page: Output[HTML]) -> str:
    """Searches for the best training params and returns them as JSON."""
    import shutil
    from pathlib import Path

    from components.contract.params.pipeline import dump_section, parse_section
    from components.contract.params.training import TrainParams, read_best
    from components.contract.params.tuning import TuneParams
    from components.contract.tracking.tracked_step import tracked_step
    from components.train.tune import tune as run

    with tracked_step("tune"):
        run(
            Path(dataset.path),
            parse_section(TuneParams, params),
            parse_section(TrainParams, train_params),
            Path(study.path),
        )
    if (Path(study.path) / "study.html").exists():
        shutil.copyfile(Path(study.path) / "study.html", page.path)
    return dump_section(read_best(Path(study.path)))


@dsl.component(base_image="darkroom-train-python:0.2.0", install_kfp_package=False)
def train(dataset: Input[Dataset], params: str, model: Output[Model], metrics: Output[Metrics]) -> None:
    """Trains the network that the params describe and writes it as a bundle."""
    from pathlib import Path

    from components.contract.params.pipeline import parse_section
    from components.contract.params.training import TrainParams
    from components.contract.tracking.tracked_step import tracked_step
    from components.train.step import train as run

    with tracked_step("train"):
        bundle = run(Path(dataset.path), parse_section(TrainParams, params), Path(model.path))
    metrics.log_metric("epochs_run", bundle.epochs_run)
    metrics.log_metric("best_epoch", bundle.best_epoch)
    metrics.log_metric("num_parameters", bundle.model.num_parameters)
    metrics.log_metric("num_trained_parameters", bundle.model.num_trained_parameters)
