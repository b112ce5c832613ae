"""The deploy step: builds a bento, and checks that its answers over HTTP match those of evaluation."""

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from components.contract.artifacts.bento import DeploymentInfo, ServiceCheck
from components.contract.artifacts.bundle import BundleInfo, read_bundle
from components.contract.artifacts.dataset import DatasetInfo, read_info
from components.contract.artifacts.evaluation import EvaluationInfo, read_evaluation
from components.contract.errors import ArtifactError
from components.contract.params.pipeline import DeployParams
from components.contract.system.atomic_files import new_folder, write_json
from components.contract.tracking.run import Run
from components.contract.tracking.step_run import step_run
from components.deploy.bento.build import Extras, build_bento
from components.deploy.bento.samples import choose_samples
from components.deploy.bento.server import serving
from components.deploy.client import Client
from components.deploy.parity import ExpectedPrediction, check_parity, golden_photos, measure_latency, read_expected
from components.deploy.release.registry import BENTO_TAG, Origin, register

log = logging.getLogger(__name__)


def deploy(
    dataset_dir: Path,
    bundle_dir: Path,
    evaluation_dir: Path,
    params: DeployParams,
    bento_dir: Path,
    *,
    outage_seconds: float | None = None,
) -> DeploymentInfo:
    """Builds the bento, starts it, compares its answers with those of evaluation, and registers the model.

    Args:
        dataset_dir: contains dataset.json and golden/<image_id>.<suffix>.
        bundle_dir: contains bundle.json and export/.
        evaluation_dir: contains evaluation.json, predictions.parquet and, if the model is calibrated, calibration.json
            and familiarity.npz.
        params: the deploy section, with every `auto` resolved.
        bento_dir: the output folder for deployment.json and bento/.
        outage_seconds: how long to wait for a registry that does not answer; if None, deploy continues without it.

    Raises:
        TrackingError: the registry rejects the model, or does not answer in time.
        ArtifactError: a folder is missing or damaged, or does not match the others.
        ServiceError: the bento cannot be built or started, or its answers differ from those of evaluation.
    """
    dataset, bundle, evaluation = read_info(dataset_dir), read_bundle(bundle_dir), read_evaluation(evaluation_dir)
    require_kinship(dataset, bundle, evaluation)
    name = params.model_name
    photos, expected = golden_photos(dataset_dir), read_expected(evaluation_dir)
    labels = {path.stem: expected[path.stem].true_label for path in photos if path.stem in expected}
    extras = Extras(
        evaluation=evaluation,
        evaluation_dir=evaluation_dir,
        photos=photos,
        sample_labels={image_id: labels[image_id] for image_id in choose_samples(labels, params.page_photos)},
    )
    with step_run(experiment=name, upstream=evaluation.mlflow_run_id) as run, new_folder(bento_dir) as folder:
        facts = build_bento(bundle_dir, bundle, name, folder / "bento", extras)
        log.info("Built the bento %s.", facts.tag)
        check = check_service(folder, photos, expected, bundle.class_names, params.start_timeout_seconds)
        # The bento is published, so it contains only the last part of a local data path; deployment.json contains the
        # full path.
        facts = facts.model_copy(update={"lineage": facts.lineage.model_copy(update={"source": bundle.source})})
        registration = register(
            name, facts, evaluation.gate, Origin(bundle_dir, run), outage_seconds, bento_dir=folder / "bento"
        )
        log.info("%s", registration.reason)
        info = DeploymentInfo(
            tag=facts.tag,
            model_name=name,
            class_names=facts.class_names,
            image_size=facts.image_size,
            lineage=facts.lineage,
            check=check,
            registered_version=registration.version,
            registered_run=registration.run_id,
            promoted=registration.promoted,
            promotion_reason=registration.reason,
        )
        write_json(folder / "deployment.json", info)
        log_deployment(run, info)
    return info


def require_kinship(dataset: DatasetInfo, bundle: BundleInfo, evaluation: EvaluationInfo) -> None:
    """Rejects folders that come from different runs.

    Raises:
        ArtifactError: the bundle or the evaluation belongs to a different data set, or the evaluation to a different
            model.
    """
    for subject, artifact_fingerprint, dataset_fingerprint in (
        ("model bundle was trained on", bundle.dataset_fingerprint, dataset.fingerprint),
        ("evaluation was made on", evaluation.dataset_fingerprint, dataset.fingerprint),
    ):
        if artifact_fingerprint != dataset_fingerprint:
            raise ArtifactError(
                f"The data set, the model and the evaluation must belong together, but the {subject} the data set "
                f"{artifact_fingerprint[:12]}, not on {dataset_fingerprint[:12]}. Run the steps after "
                "preprocess again."
            )
    if evaluation.export_sha256 != bundle.export.sha256:
        raise ArtifactError(
            f"The evaluation belongs to a different model: it scored the graph {evaluation.export_sha256[:12]}, "
            f"but the bundle contains {bundle.export.sha256[:12]}. Run evaluate again."
        )


def check_service(
    bento_dir: Path,
    photos: Sequence[Path],
    expected: Mapping[str, ExpectedPrediction],
    class_names: tuple[str, ...],
    timeout_seconds: float,
) -> ServiceCheck:
    """Starts the service, compares and times its answers, and stops it.

    Raises:
        ArtifactError: the evaluation has no prediction for a photo.
        ServiceError: the service does not start, or its answers differ from those of evaluation.
    """
    start_time = time.monotonic()
    with serving(bento_dir, timeout_seconds=timeout_seconds) as url, Client(url) as client:
        ready_seconds = time.monotonic() - start_time
        log.info("The service was ready after %.1f s; testing it with %d golden photos.", ready_seconds, len(photos))
        difference = check_parity(client, photos, expected, class_names)
        latency = measure_latency(client, photos)
    log.info("All answers match evaluation: probabilities within %.1e; %.1f ms per photo (p50).", difference, latency)
    return ServiceCheck(
        num_photos=len(photos),
        max_probability_difference=difference,
        latency_p50_ms=round(latency, 3),
        ready_seconds=round(ready_seconds, 3),
    )


def log_deployment(run: Run, info: DeploymentInfo) -> None:
    """Adds the bento's tag and the results of its check to the MLflow run."""
    run.set_tags({BENTO_TAG: info.tag, "darkroom.promoted": str(info.promoted).lower()})
    run.log_metrics(
        {
            "deploy/max_probability_difference": info.check.max_probability_difference,
            "deploy/latency_p50_ms": info.check.latency_p50_ms,
            "deploy/ready_seconds": info.check.ready_seconds,
        }
    )
