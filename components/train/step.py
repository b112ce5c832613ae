"""The train step: a prepared data set and params in, a model bundle out."""

import importlib.metadata
import json
import logging
import platform
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from components.contract.artifacts.bundle import (
    BundleInfo,
    ExportFacts,
    ModelFacts,
    write_train_image_ids,
)
from components.contract.artifacts.dataset import DatasetInfo, Split, read_info
from components.contract.image.preview import augmentation_sheet
from components.contract.params.training import TrainParams
from components.contract.system.atomic_files import new_folder, write_json
from components.contract.system.program import is_finish_requested, seconds_of_run
from components.contract.tracking.run import Run, flatten
from components.contract.tracking.step_run import name_pipeline_run, step_run
from components.train.network.initial_model import warn_of_training_photos
from components.train.probe.choose import settle_network, table_lines
from components.train.setup import open_network, open_photographs, settle_mirror

if TYPE_CHECKING:
    from components.train.loop.fit_result import FitResult
    from components.train.setup import InitialNetwork

log = logging.getLogger(__name__)

LIBRARIES = ("tensorflow", "keras", "numpy", "openvino", "opencv-python-headless")


def train(dataset_dir: Path, params: TrainParams, bundle_dir: Path) -> BundleInfo:
    """Trains the network that the params describe and writes it as a bundle.

    Args:
        dataset_dir: the folder that preprocess wrote.
        params: the resolved train section.
        bundle_dir: the output folder, created or replaced completely.

    Raises:
        ParamsError: the time limit is too short for one epoch.
        DataError: a split that training needs is empty, or there are fewer than two classes.
        ModelError: the network cannot be built, trained or exported.
        WeightsError: pretrained weights are missing or do not match the network.
        UploadError: the uploaded model is rejected.
        ArtifactError: the earlier model is missing, the data set is damaged, or bundle_dir cannot be written.
        TrackingError: an MLflow run is required, but the store cannot be written.
        SystemExit: SIGTERM arrived during training; the next call with the same data and params resumes it.
    """
    start_time = time.monotonic()
    info = read_info(dataset_dir)
    params = settle_mirror(params, info)
    photographs = open_photographs(dataset_dir, info)
    params, probe = settle_network(params, info, photographs)
    probe_table = [] if probe is None else table_lines(probe)
    for line in probe_table:
        log.info("%s", line)
    start = open_network(params, info)
    startup_seconds = time.monotonic() - start_time
    network = start.network

    from components.train.budget.settle import record_epochs, settle_budget
    from components.train.export.graph import NUM_COMPARED_PHOTOS, check_exportable, export_network
    from components.train.export.quantize import quantize_export
    from components.train.loop.callbacks.progress import system_metrics
    from components.train.loop.checkpoint import TrainingIdentity, open_checkpoints
    from components.train.loop.digest import network_digest
    from components.train.loop.phases import train_phases
    from components.train.network.architecture import summary_lines

    facts = _model_facts(start, params)
    earlier_image_ids = start.initial_model.train_image_ids if start.initial_model else frozenset[str]()
    warn_of_training_photos(earlier_image_ids, dataset_dir)
    for line in summary_lines(network):
        log.info("%s", line)
    export_start = time.monotonic()
    check_exportable(network)
    export_seconds = time.monotonic() - export_start

    identity = TrainingIdentity(info.fingerprint, params.model_dump(mode="json"), network_digest(network.model))
    with step_run(experiment=info.name, own_name="train") as run, open_checkpoints(identity) as checkpoints:
        settled = settle_budget(
            params,
            network,
            photographs,
            info,
            checkpoint=checkpoints.newest() if checkpoints and params.minutes else None,
            elapsed_seconds=lambda: seconds_of_run() or time.monotonic() - start_time,
            export_seconds=export_seconds,
            startup_seconds=startup_seconds,
        )
        minutes, params, budget = params.minutes, settled.params, settled.facts
        if budget is not None:
            facts = _model_facts(start, params)
        _log_inputs(run, info, params.model_copy(update={"minutes": minutes}), facts)
        if budget is not None:
            run.set_tags({"darkroom.budget": budget.plan})
        if probe_table:
            run.set_tags({"darkroom.probe": "\n".join(probe_table)})
        with new_folder(bundle_dir) as folder:
            with system_metrics(run):
                result = train_phases(
                    network, photographs, params, run, checkpoints=checkpoints, deadline=settled.deadline
                )
            if budget is not None and (settled.deadline.is_reached or is_finish_requested()):
                params, budget = record_epochs(params, result), budget.model_copy(update={"is_cut": True})
                facts = _model_facts(start, params)
            photos = photographs.validation.gather(np.arange(min(NUM_COMPARED_PHOTOS, len(photographs.validation))))
            export = export_network(network, folder / "export", photos)
            log.info(
                "On %d photos, the probabilities of the exported graph differ from those of Keras by at most %.1e.",
                export.num_compared,
                export.max_probability_difference,
            )
            if params.export_precision == "int8":
                rng = np.random.default_rng(params.seed)
                export = quantize_export(folder / "export", export, photographs.training, photographs.validation, rng)
            network.model.save(folder / "model.keras")
            write_json(folder / "history.json", result.history)
            _write_preview(folder / "augmentation.jpg", photographs.training, params)
            write_train_image_ids(folder, earlier_image_ids.union(photographs.training.image_ids))
            bundle = _bundle_info(info, params, facts, result, export, run)
            bundle = bundle.model_copy(update={"budget": budget, "probe": probe})
            write_json(folder / "bundle.json", bundle)
        if checkpoints is not None:
            checkpoints.remove()
        if result.best_epoch:
            run.log_metrics({"best_epoch": result.best_epoch, "best_val_accuracy": result.at_best("val_accuracy")})
        run.log_artifacts(bundle_dir, "bundle")
    return bundle


def _model_facts(start: "InitialNetwork", params: TrainParams) -> ModelFacts:
    from components.train.network.architecture import model_facts
    from components.train.network.freezing import plan_training

    training_plan = plan_training(start.network, params.all_phases)
    return model_facts(
        start.network,
        params.model,
        start.weights_sha256,
        start.initial_model,
        trained=training_plan.layers,
        num_trained=training_plan.num_parameters,
    )


def _write_preview(path: Path, training: Split, params: TrainParams) -> None:
    """Draws a training photo as augmented in training: one row of eight variants per phase."""
    phases = params.all_phases
    augmentations = {
        "training" if len(phases) == 1 else f"phase {number}": phase.augmentation_params
        for number, phase in enumerate(phases, start=1)
    }
    augmentation_sheet(training.image(0), training.image_ids[0], augmentations, params.seed).save(path, quality=88)


def _log_inputs(run: Run, info: DatasetInfo, params: TrainParams, facts: ModelFacts) -> None:
    name_pipeline_run(run, facts.name)
    run.log_params(flatten(params.model_dump(mode="json"), "train."))
    run.log_params(flatten(facts.model_dump(mode="json"), "model."))
    run.log_dataset(
        name=info.name,
        digest=info.fingerprint,
        source=info.source.uri,
        context="training",
        profile=json.dumps({split: info.num_images(split) for split in ("train", "validation")}),
    )


def _bundle_info(
    info: DatasetInfo,
    params: TrainParams,
    facts: ModelFacts,
    result: "FitResult",
    export: ExportFacts,
    run: Run,
) -> BundleInfo:
    versions = {name: importlib.metadata.version(name) for name in LIBRARIES}
    return BundleInfo(
        dataset_name=info.name,
        dataset_fingerprint=info.fingerprint,
        source=info.source,
        class_names=info.class_names,
        image_size=info.image_size,
        resize=info.resize,
        pixel_range=info.pixel_range,
        model=facts,
        params=params.model_dump(mode="json"),
        export=export,
        library_versions={"python": platform.python_version(), **versions},
        epochs_run=result.epochs_run,
        best_epoch=result.best_epoch,
        mlflow_run_id=run.run_id,
    )
