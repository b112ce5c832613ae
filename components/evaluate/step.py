"""The step: a model bundle and a data set become figures, a verdict and a report."""

import contextlib
import csv
import io
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from pydantic import RootModel

from components.contract.bundle import BundleInfo, read_bundle
from components.contract.dataset import DatasetInfo, Split, SplitName, open_split, read_info
from components.contract.errors import ArtifactError, TrackingError
from components.contract.evaluation import AllFigures, EvaluationInfo, Figures, SplitFigures
from components.contract.outputs import new_folder, read_json, write_file, write_json
from components.contract.params import EvaluateParams
from components.contract.runtime import InferenceGraph, export_sha256
from components.contract.tracking import Run, step_run
from components.evaluate.charts import draw_charts, png
from components.evaluate.gate import judge
from components.evaluate.metrics import figures
from components.evaluate.mistakes import worst_mistakes
from components.evaluate.predictions import Predictions, score, write_predictions
from components.evaluate.report import Content, Photo, interval, percent, render

log = logging.getLogger(__name__)

SCORED: tuple[SplitName, ...] = ("validation", "test")
VERDICT_TAG = "darkroom.verdict"

History = RootModel[dict[str, list[float]]]


def evaluate(
    dataset_dir: Path, bundle_dir: Path, params: EvaluateParams, model_name: str, evaluation_dir: Path
) -> EvaluationInfo:
    """Scores the exported graph on the validation and test splits, and tells what it is worth.

    Args:
        dataset_dir: dataset.json, manifest.parquet, validation-*.arrow, test-*.arrow.
        bundle_dir: bundle.json, history.json, export/.
        params: the section.
        model_name: of the registered model.
        evaluation_dir: what is written; see components/contract/evaluation.py.

    Raises:
        ArtifactError: an input is missing or damaged, the two do not fit, a split is empty, or the graph gives numbers
            that are not finite.
    """
    dataset, bundle = read_info(dataset_dir), read_bundle(bundle_dir)
    history = read_json(bundle_dir / "history.json", History, "model bundle").root
    graph = InferenceGraph(bundle_dir / "export")
    digest = export_sha256(bundle_dir / "export")
    require_fit(dataset, bundle, graph, digest)
    with _tracked(model_name, bundle.mlflow_run_id) as run:
        with new_folder(evaluation_dir) as folder:
            splits = {name: open_split(dataset_dir, name) for name in SCORED}
            scored = {name: score(graph, split, name, len(dataset.class_names)) for name, split in splits.items()}
            all_figures = measure(scored, dataset.class_names, params)
            info = EvaluationInfo(
                model_name=model_name,
                class_names=dataset.class_names,
                dataset_fingerprint=dataset.fingerprint,
                export_sha256=digest,
                validation=_headline(all_figures.validation),
                test=_headline(all_figures.test),
                gate=judge(model_name),
                mlflow_run_id=run.run_id,
            )
            photos = find_photos(dataset_dir, splits["test"], scored["test"], params.report_photos)
            write_predictions(folder / "predictions.parquet", list(scored.values()))
            write_json(folder / "figures.json", all_figures)
            write_confusion_matrix(folder / "confusion_matrix.csv", all_figures)
            charts = draw_charts(all_figures, history, bundle.best_epoch)
            for name, chart in charts.items():
                write_file(folder / f"{name}.png", png(chart))
            report = render(Content(info, all_figures, dataset, bundle, history, charts, photos))
            write_file(folder / "report.html", report.encode())
            write_json(folder / "evaluation.json", info)
        log_evaluation(run, evaluation_dir, info, all_figures)
    log.info("Test accuracy %s (%s), macro F1 %s (%s)", percent(info.test.accuracy.value), interval(info.test.accuracy),
             percent(info.test.macro_f1.value), interval(info.test.macro_f1))  # fmt: skip
    log.info("Verdict: %s. %s", info.gate.verdict, " ".join(info.gate.reasons))
    return info


def require_fit(dataset: DatasetInfo, bundle: BundleInfo, graph: InferenceGraph, digest: str) -> None:
    """Refuses to score a model on photos that it was not made for.

    Raises:
        ArtifactError: classes, image size or resizing differ, or the exported graph is not the bundle's own.
    """
    for what, found, expected in (
        ("classes", bundle.class_names, dataset.class_names),
        ("image size", bundle.image_size, dataset.image_size),
        ("resizing", bundle.resize, dataset.resize),
        ("exported graph's image size", graph.image_size, dataset.image_size),
    ):
        if found != expected:
            raise ArtifactError(
                f"The model's {what} must be those of the data set, {_text(expected)}; found {_text(found)}. Train on "
                "this data set, or evaluate on that of the model."
            )
    if digest != bundle.export.sha256:
        raise ArtifactError(
            f"The exported graph must be the one that train checked, {bundle.export.sha256[:12]}; found {digest[:12]}: "
            "a file was changed or is damaged. Train again."
        )
    if bundle.dataset_fingerprint != dataset.fingerprint:
        log.warning("The model was trained on another version of the data (%s) than this one (%s); photos that it "
                    "learnt from may be among the test photos.",
                    bundle.dataset_fingerprint[:12], dataset.fingerprint[:12])  # fmt: skip


def measure(
    scored: dict[SplitName, Predictions], class_names: tuple[str, ...], params: EvaluateParams
) -> AllFigures:  # fmt: skip
    """The figures of both splits. Each split draws its resamples by itself."""
    measured: dict[str, Figures] = {}
    for number, (name, predictions) in enumerate(scored.items()):
        measured[name] = figures(
            predictions.labels, predictions.probabilities, class_names,
            resamples=params.bootstrap_resamples, rng=np.random.default_rng((params.seed, number)),
        )  # fmt: skip
        if measured[name].absent_classes:
            log.warning("The %s split holds no photo of %s; its macro figures leave these classes out.",
                        name, ", ".join(measured[name].absent_classes))  # fmt: skip
    return AllFigures(class_names=class_names, validation=measured["validation"], test=measured["test"])


def find_photos(dataset_dir: Path, split: Split, predictions: Predictions, num: int) -> list[Photo]:
    """The worst mistakes with their pixels and the paths of their files."""
    mistakes = worst_mistakes(predictions, num)
    paths = _read_paths(dataset_dir / "manifest.parquet", [mistake.image_id for mistake in mistakes])
    return [Photo(mistake, split.image(mistake.index), paths.get(mistake.image_id)) for mistake in mistakes]


def write_confusion_matrix(path: Path, all_figures: AllFigures) -> None:
    """The test split's as CSV: a row per true class, a column per predicted class."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["true class", *all_figures.class_names])
    matrix = all_figures.test.confusion_matrix
    rows.writerows([name, *row] for name, row in zip(all_figures.class_names, matrix, strict=True))
    write_file(path, text.getvalue().encode())


def log_evaluation(run: Run, evaluation_dir: Path, info: EvaluationInfo, all_figures: AllFigures) -> None:
    """The figures, the verdict and the folder, in the MLflow run."""
    metrics: dict[str, float] = {}
    for name, split in (("validation", all_figures.validation), ("test", all_figures.test)):
        for key, figure in (("accuracy", split.accuracy), ("macro_f1", split.macro_f1)):
            metrics |= {
                f"{name}/{key}": figure.value,
                f"{name}/{key}_low": figure.low,
                f"{name}/{key}_high": figure.high,
            }
        metrics |= {
            f"{name}/macro_precision": split.macro.precision,
            f"{name}/macro_recall": split.macro.recall,
            f"{name}/weighted_f1": split.weighted.f1,
            f"{name}/log_loss": split.log_loss,
        }
    run.log_metrics(metrics)
    run.set_tags({VERDICT_TAG: info.gate.verdict})
    run.log_artifacts(evaluation_dir, "evaluation")


@contextlib.contextmanager
def _tracked(model_name: str, upstream: str | None) -> Iterator[Run]:
    """The MLflow run to log to; without a store the evaluation goes on."""
    with contextlib.ExitStack() as stack:
        try:
            run = stack.enter_context(step_run(experiment=model_name, upstream=upstream))
        except TrackingError as error:
            log.warning("%s The evaluation goes on without it.", error)
            run = Run(None)
        yield run


def _headline(split: Figures) -> SplitFigures:
    return SplitFigures(num_images=split.num_images, accuracy=split.accuracy, macro_f1=split.macro_f1)


def _read_paths(manifest_path: Path, image_ids: Sequence[str]) -> dict[str, str]:
    """The path of each photo by its image_id; the report does without where there is no manifest."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not manifest_path.exists():
        return {}
    try:
        rows = pq.read_table(manifest_path, columns=["path", "sha256"], filters=[("split", "=", "test")])
    except (OSError, pa.ArrowException) as error:
        log.warning("%s cannot be read: %s. The report shows photos without their file names.", manifest_path, error)
        return {}
    wanted = set(image_ids)
    return {
        sha256[:32]: path
        for path, sha256 in zip(rows["path"].to_pylist(), rows["sha256"].to_pylist(), strict=True)
        if sha256 is not None and sha256[:32] in wanted
    }


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return (" × " if isinstance(value[0], int) else ", ").join(map(str, value))
    return str(value)
