"""The evaluate step as a KFP component."""

from kfp import dsl
from kfp.dsl import HTML, Artifact, ClassificationMetrics, Dataset, Input, Metrics, Model, Output


@dsl.component(base_image="darkroom-evaluate-python:0.2.0", install_kfp_package=False)
def evaluate(
    dataset: Input[Dataset],
    model: Input[Model],
    params: str,
    model_name: str,
    evaluation: Output[Artifact],
    metrics: Output[Metrics],
    confusion: Output[ClassificationMetrics],
    report: Output[HTML],
    study: Input[Artifact] = None,
) -> None:
    """Scores the exported model on the validation and test photos, and decides the verdict."""
    import shutil
    from pathlib import Path

    from components.contract.artifacts.figures import read_figures
    from components.contract.params.pipeline import EvaluateParams, parse_section
    from components.contract.tracking.tracked_step import tracked_step
    from components.evaluate.measure.tracked_metrics import kfp_metrics, roc_curve_points
    from components.evaluate.step import evaluate as run

    with tracked_step("evaluate"):
        folder = Path(evaluation.path)
        info = run(
            Path(dataset.path),
            Path(model.path),
            parse_section(EvaluateParams, params),
            model_name,
            folder,
            Path(study.path) if study else None,
        )
    evaluation.metadata["verdict"] = info.gate.verdict
    figures = read_figures(folder)
    for name, value in kfp_metrics(info, figures).items():
        metrics.log_metric(name, value)
    if len(info.class_names) <= 60:  # KFP stores each cell in its database, and draws all of them
        confusion.log_confusion_matrix(list(info.class_names), figures.test.confusion_matrix.tolist())
    confusion.log_roc_curve(*roc_curve_points(folder))
    shutil.copyfile(folder / "report.html", report.path)
