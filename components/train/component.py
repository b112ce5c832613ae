"""Train as a KFP component."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Metrics, Model, Output


@dsl.component(base_image="darkroom-train-python:0.1.0", install_kfp_package=False)
def train(dataset: Input[Dataset], params: str, model: Output[Model], metrics: Output[Metrics]) -> None:
    """Trains the network that the params describe and writes it as a bundle."""
    from pathlib import Path

    from components.contract.console import running_step
    from components.contract.params import parse_section
    from components.contract.train_params import TrainParams
    from components.train.step import train as run

    with running_step("train"):
        bundle = run(Path(dataset.path), parse_section(TrainParams, params), Path(model.path))
    metrics.log_metric("epochs_run", bundle.epochs_run)
    metrics.log_metric("best_epoch", bundle.best_epoch)
    metrics.log_metric("num_parameters", bundle.model.num_parameters)
    metrics.log_metric("num_trained_parameters", bundle.model.num_trained_parameters)
