"""The evaluate step: scores a model bundle on a data set, and writes metrics, a calibration, a verdict and a report."""

import contextlib
import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

from components.contract.artifacts.bundle import BundleInfo, read_bundle, read_train_image_ids
from components.contract.artifacts.dataset import SPLITS, DatasetInfo, open_split, read_info
from components.contract.artifacts.evaluation import EvaluationInfo
from components.contract.artifacts.figures import AllFigures, Figures, SplitFigures
from components.contract.artifacts.study import read_study
from components.contract.errors import ArtifactError, TrackingError
from components.contract.inference.calibration import write_calibration
from components.contract.inference.graph import InferenceGraph, export_sha256
from components.contract.params.pipeline import EvaluateParams
from components.contract.system.atomic_files import new_folder, write_csv, write_file, write_json
from components.contract.text import csv_cell
from components.contract.tracking.run import Run, find_stored_id
from components.contract.tracking.step_run import step_run
from components.evaluate.data_quality.embedding_map import write_map
from components.evaluate.data_quality.label_errors import write_label_errors
from components.evaluate.data_quality.outliers import write_outliers
from components.evaluate.examine import Examination, examine, new_generator
from components.evaluate.formatting import estimate
from components.evaluate.gate.looks import TEST_SET_TAG, hash_test_set
from components.evaluate.gate.verdict import Candidate, judge
from components.evaluate.measure.latency import measure_latency_ms, size_bytes
from components.evaluate.measure.predictions import write_predictions
from components.evaluate.measure.slices import Original
from components.evaluate.measure.tracked_metrics import NOTE_TAG, describe_run, mlflow_metrics
from components.evaluate.report.charts.figures import draw_charts, to_png
from components.evaluate.report.charts.network_diagram import architecture_chart, build_boxes
from components.evaluate.report.html import render
from components.evaluate.report.model import Content
from components.evaluate.report.model_card import render_card
from components.evaluate.report.output_order import describe_order
from components.evaluate.report.pdf.document import write_pdf
from components.evaluate.report.showcase import build_showcase, read_originals
from components.evaluate.report.training_history import read_history

log = logging.getLogger(__name__)

VERDICT_TAG = "darkroom.verdict"


def evaluate(
    dataset_dir: Path,
    bundle_dir: Path,
    params: EvaluateParams,
    model_name: str,
    evaluation_dir: Path,
    study_dir: Path | None = None,
) -> EvaluationInfo:
    """Scores the exported graph on the validation and test splits, and decides whether the model may be promoted.

    Args:
        dataset_dir: contains dataset.json, manifest.parquet, the shards of all splits, and golden/.
        bundle_dir: contains bundle.json, history.json, train_image_ids.txt and export/.
        params: the evaluate section of the params.
        model_name: name of the registered model.
        evaluation_dir: the folder to write; components/contract/artifacts/evaluation.py describes its files.
        study_dir: the folder of the hyperparameter search that found the params, for the report; None if there is none.

    Raises:
        ArtifactError: an input is missing or damaged, the data set and the bundle do not match, a split is empty, or
            the graph returns numbers that are not finite.
    """
    dataset, bundle = read_info(dataset_dir), read_bundle(bundle_dir)
    history = read_history(bundle_dir, bundle.params)
    study = read_study(study_dir) if study_dir else None
    graph = InferenceGraph(bundle_dir / "export")
    digest = export_sha256(bundle_dir / "export")
    require_fit(dataset, bundle, graph, digest)
    splits = {name: open_split(dataset_dir, name) for name in SPLITS}
    with _open_run(model_name, bundle.mlflow_run_id) as run:
        with new_folder(evaluation_dir) as folder:
            originals = read_originals(dataset_dir / "manifest.parquet")
            examination = examine(graph, splits, bundle, params, originals, digest)
            all_figures, test = examination.figures, examination.scored["test"]
            candidate = Candidate(
                all_figures.test,
                test,
                splits["test"],
                measure_latency_ms(graph, splits["test"]),
                size_bytes(bundle_dir / "export"),
                read_train_image_ids(bundle_dir) or frozenset(),
            )
            verdict = judge(
                candidate,
                model_name,
                params.gate,
                dataset_dir=dataset_dir,
                dataset=dataset,
                run_id=run.run_id,
                resamples=params.bootstrap_resamples,
                rng=new_generator(params, "gate"),
            )
            test_set = hash_test_set(splits["test"])
            run.set_tags({VERDICT_TAG: verdict.verdict, TEST_SET_TAG: test_set})
            info = EvaluationInfo(
                model_name=model_name,
                class_names=dataset.class_names,
                dataset_fingerprint=dataset.fingerprint,
                export_sha256=digest,
                validation=_headline_figures(all_figures.validation),
                test=_headline_figures(all_figures.test),
                gate=verdict,
                latency_p50_ms=candidate.latency_ms,
                size_bytes=candidate.size_bytes,
                mlflow_run_id=run.run_id,
            )
            write_figures(folder, info, examination, originals)
            charts = draw_charts(all_figures, history, bundle.best_epoch)
            charts["architecture"] = architecture_chart(build_boxes(bundle))
            pictures = {name: to_png(chart) for name, chart in charts.items()}
            for name, picture in pictures.items():
                write_file(folder / f"{name}.png", picture)
            showcase = build_showcase(graph, splits, examination, originals, params.report_photos)
            write_reports(
                folder,
                Content(
                    info,
                    all_figures,
                    dataset,
                    bundle,
                    params,
                    history,
                    charts,
                    pictures,
                    showcase,
                    samples=_read_if_exists(dataset_dir / "samples.jpg"),
                    variants=_read_if_exists(bundle_dir / "augmentation.jpg"),
                    study=study if study and study.trials else None,
                ),
            )
        run.set_tags({NOTE_TAG: describe_run(info, dataset, find_stored_id(run))})
        run.log_dataset(
            # Not the name and digest of the whole data set: MLflow logs each digest only once per run.
            name=f"{dataset.name}, test photos",
            digest=test_set,
            source=dataset.source.uri,
            context="evaluation",
            profile=json.dumps({"test": dataset.num_images("test")}),
        )
        run.log_metrics(mlflow_metrics(info, all_figures))
        run.log_artifacts(evaluation_dir, "evaluation")
    log.info("Test accuracy %s, macro F1 %s", estimate(info.test.accuracy), estimate(info.test.macro_f1))
    for sentence in describe_order(all_figures.test):
        log.warning("%s", sentence)
    log.info("Verdict: %s. %s", info.gate.verdict, " ".join(info.gate.reasons))
    return info


def require_fit(dataset: DatasetInfo, bundle: BundleInfo, graph: InferenceGraph, digest: str) -> None:
    """Checks that the model was trained for photos like those in the data set; logs a warning if the data has changed.

    Raises:
        ArtifactError: the classes, image size, resizing or pixel range differ, or the exported graph is not the one
            that the bundle describes.
    """
    for trait, actual, expected in (
        ("classes", bundle.class_names, dataset.class_names),
        ("image size", bundle.image_size, dataset.image_size),
        ("resizing", bundle.resize, dataset.resize),
        ("pixel range", "{} to {}".format(*bundle.pixel_range), "{} to {}".format(*dataset.pixel_range)),
        ("image size in the exported graph", graph.image_size, dataset.image_size),
    ):
        if actual != expected:
            raise ArtifactError(
                f"The model's {trait} must match the data set's ({_format_value(expected)}); found "
                f"{_format_value(actual)}. Train on this data set, or evaluate on the model's data set."
            )
    if digest != bundle.export.sha256:
        raise ArtifactError(
            f"The SHA-256 of the exported graph must be the one in bundle.json, {bundle.export.sha256[:12]}…; found "
            f"{digest[:12]}…: a file has changed or is damaged. Train again."
        )
    if bundle.dataset_fingerprint != dataset.fingerprint:
        log.warning(
            "The model was trained on a different version of the data (fingerprint %s; this data set has %s); some of "
            "its training photos may be among the test photos.",
            bundle.dataset_fingerprint[:12],
            dataset.fingerprint[:12],
        )


def write_figures(
    folder: Path, info: EvaluationInfo, examination: Examination, originals: Mapping[str, Original]
) -> None:
    """Writes the files that other steps and programs read."""
    names = info.class_names
    write_predictions(folder / "predictions.parquet", list(examination.scored.values()))
    write_calibration(folder, examination.calibration)
    write_json(folder / "figures.json", examination.figures)
    write_confusion_matrix(folder / "confusion_matrix.csv", examination.figures)
    paths = {image_id: original.path for image_id, original in originals.items()}
    write_label_errors(folder / "label_errors.csv", examination.label_errors, names, paths)
    write_outliers(folder / "outliers.csv", examination.outliers, names, paths)
    if examination.embedding_map is not None:
        write_map(folder / "embedding_map.parquet", examination.embedding_map, paths)
    write_json(folder / "evaluation.json", info)


def write_reports(folder: Path, content: Content) -> None:
    """Writes the files that people read."""
    write_file(folder / "report.html", render(content).encode())
    write_pdf(folder / "report.pdf", content)
    write_file(folder / "model_card.md", render_card(content).encode())


def write_confusion_matrix(path: Path, all_figures: AllFigures) -> None:
    """The test split's confusion matrix as CSV: a row per true class, a column per predicted class."""
    names = [csv_cell(name) for name in all_figures.class_names]
    rows = ([name, *row.tolist()] for name, row in zip(names, all_figures.test.confusion_matrix, strict=True))
    write_csv(path, ["true class", *names], rows)


@contextlib.contextmanager
def _open_run(model_name: str, upstream: str | None) -> Iterator[Run]:
    """Opens the MLflow run to log to; if MLflow cannot be used, yields a run that logs nothing."""
    with contextlib.ExitStack() as stack:
        try:
            run = stack.enter_context(step_run(experiment=model_name, upstream=upstream))
        except TrackingError as error:
            log.warning("%s The evaluation continues without MLflow.", error)
            run = Run(None)
        yield run


def _headline_figures(split: Figures) -> SplitFigures:
    return SplitFigures(num_images=split.num_images, accuracy=split.accuracy, macro_f1=split.macro_f1)


def _read_if_exists(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _format_value(value: object) -> str:
    if isinstance(value, tuple):
        return (" × " if isinstance(value[0], int) else ", ").join(map(str, value))
    return str(value)
