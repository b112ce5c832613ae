"""The metrics for MLflow and KFP, with the same names in every run, so that runs can be compared side by side."""

import html
import re
from pathlib import Path
from typing import Final, get_args

import numpy as np

from components.contract.artifacts.dataset import SPLITS, DatasetInfo
from components.contract.artifacts.evaluation import EvaluationInfo
from components.contract.artifacts.figures import AllFigures, Figures, Interval
from components.evaluate.formatting import estimate

HEADLINES = tuple(
    name for name, field in Figures.model_fields.items() if Interval in (field.annotation, *get_args(field.annotation))
)
"""The fields of `Figures` that have an interval."""
TRACKED_INTERVALS: Final = ("accuracy", "macro_f1")
"""The metrics whose intervals are logged. The other intervals would add 24 rows to MLflow's list; the report contains
them."""
ROC_POINTS = 100
NOTE_TAG: Final = "mlflow.note.content"
MAX_NOTE: Final = 5000
"""The maximum number of characters that MLflow accepts in a tag."""


def mlflow_metrics(info: EvaluationInfo, figures: AllFigures) -> dict[str, float]:
    """The metrics in HEADLINES, with the intervals of those in TRACKED_INTERVALS, and metrics without intervals."""
    metrics: dict[str, float] = {}
    for name, split in (("validation", figures.validation), ("test", figures.test)):
        for key in HEADLINES:
            figure = getattr(split, key)
            if figure is not None:
                metrics[f"{name}/{key}"] = figure.value
            if figure is not None and key in TRACKED_INTERVALS:
                metrics |= {f"{name}/{key}_low": figure.low, f"{name}/{key}_high": figure.high}
        metrics |= {
            f"{name}/macro_precision": split.macro.precision,
            f"{name}/macro_recall": split.macro.recall,
            f"{name}/weighted_f1": split.weighted.f1,
            f"{name}/calibration_error": split.calibration_error,
        }
        for key, share in (("top_2_accuracy", split.top_2_accuracy), ("top_5_accuracy", split.top_5_accuracy)):
            if share is not None:
                metrics[f"{name}/{key}"] = share
    metrics["evaluation/num_label_errors"] = figures.num_label_errors
    metrics["evaluation/num_outliers"] = figures.num_outliers
    if figures.calibration is not None:
        metrics |= {
            "calibration/temperature": figures.calibration.temperature,
            "calibration/error_before": figures.calibration.error_before,
            "calibration/coverage": figures.calibration.coverage.value,
        }
    for robustness in figures.robustness[1:]:
        metrics[f"robustness/{robustness.disturbance.replace(' %', ' percent')}"] = robustness.accuracy.value
    if figures.folds is not None:
        for key in ("accuracy", "macro_f1"):
            figure = getattr(figures.folds, key)
            metrics |= {f"folds/{key}": figure.value, f"folds/{key}_low": figure.low, f"folds/{key}_high": figure.high}
    if info.gate.looks is not None:
        metrics["evaluation/num_looks"] = info.gate.looks
    if info.gate.comparison is not None:
        metrics["evaluation/num_compared"] = info.gate.comparison.num_images
    if info.latency_p50_ms is not None and info.size_bytes is not None:
        metrics |= {"evaluation/latency_p50_ms": info.latency_p50_ms, "evaluation/size_mb": info.size_bytes / 1e6}
    return metrics


def describe_run(info: EvaluationInfo, dataset: DatasetInfo, run_id: str | None) -> str:
    """The description, in Markdown, that MLflow shows at the top of the run's page.

    Args:
        info: the results.
        dataset: the data set on which the model was evaluated.
        run_id: the run's ID in the store, for the link to the report.
    """
    rows = [
        f"| {name} | {estimate(figures.accuracy)} | {estimate(figures.macro_f1)} | {dataset.num_images(name):,} |"
        for name, figures in zip(SPLITS[1:], (info.validation, info.test), strict=True)
    ]
    report = f"get-artifact?path=evaluation%2Freport.html&run_uuid={run_id}"
    return "\n".join(
        (
            f"**Verdict: {info.gate.verdict}.** {_escape(' '.join(info.gate.reasons))}",
            "",
            "| split | accuracy | macro F1 | photos |",
            "|---|---|---|---|",
            *rows,
            "",
            f"Data: {_escape(dataset.name)}, {dataset.num_kept:,} photos in {len(dataset.class_names)} classes "
            f"(fingerprint `{dataset.fingerprint[:12]}`). Report: [evaluation/report.html]({report}).",
        )
    )[:MAX_NOTE]


def _escape(text: str) -> str:
    """Escapes text that contains names of classes and data, so that none of it is read as Markdown."""
    return re.sub(r"([\\`*_\[\]|])", r"\\\1", html.escape(text, quote=False))


def kfp_metrics(info: EvaluationInfo, figures: AllFigures) -> dict[str, float]:
    """The metrics that KFP shows for a run, all finite: `test_accuracy` and so on."""
    metrics: dict[str, float] = {}
    for name, split in (("validation", figures.validation), ("test", figures.test)):
        for key in HEADLINES:
            figure = getattr(split, key)
            if figure is not None:
                metrics[f"{name}_{key}"] = figure.value
    metrics["test_calibration_error"] = figures.test.calibration_error
    if info.latency_p50_ms is not None and info.size_bytes is not None:
        metrics |= {"latency_p50_ms": info.latency_p50_ms, "size_mb": info.size_bytes / 1e6}
    return metrics


def roc_curve_points(evaluation_dir: Path) -> tuple[list[float], list[float], list[float]]:
    """The one-versus-rest ROC curve of the test split, pooled over all classes, as up to ROC_POINTS points.

    scikit-learn's first threshold is infinite, which KFP cannot store. It is replaced by 1, the highest probability.

    Returns:
        False positive rates, true positive rates and thresholds.
    """
    import pyarrow.parquet as pq
    from sklearn.metrics import roc_curve

    table = pq.read_table(evaluation_dir / "predictions.parquet", filters=[("split", "=", "test")])
    columns = table.combine_chunks()
    labels = columns["label"].to_numpy()
    probabilities = columns["probabilities"].combine_chunks().flatten().to_numpy().reshape(len(labels), -1)
    is_true_class = np.eye(probabilities.shape[1], dtype=bool)[labels]
    false_rates, true_rates, thresholds = roc_curve(is_true_class.ravel(), probabilities.ravel())
    indices = np.unique(np.linspace(0, len(thresholds) - 1, ROC_POINTS).round().astype(int))
    points = (false_rates, true_rates, np.clip(thresholds, 0, 1))
    first, second, third = ([float(value) for value in values[indices]] for values in points)
    return first, second, third
