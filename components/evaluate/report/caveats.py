"""What a reader must know before trusting the metrics, in plain sentences."""

from components.contract.artifacts.bundle import BundleInfo
from components.contract.artifacts.dataset import DatasetInfo
from components.contract.artifacts.evaluation import Verdict
from components.contract.artifacts.figures import AllFigures, Figures
from components.contract.text import join_names
from components.evaluate.formatting import percent
from components.evaluate.measure.cross_validation import FEW_PHOTOS as FEW_FOR_ONE_SPLIT
from components.evaluate.report.output_order import describe_order

FEW_PHOTOS = 100
"""With fewer test photos, intervals are wide."""
MANY_LOOKS = 10
"""If at least this many models were scored on the same test photos, the best result is partly luck."""


def list_caveats(
    figures: AllFigures, dataset: DatasetInfo, bundle: BundleInfo, gate: Verdict, mlflow_run_id: str | None
) -> list[str]:
    """Lists the caveats as sentences; empty if there are none."""
    test, validation = figures.test, figures.validation
    sentences = []
    if bundle.dataset_fingerprint != dataset.fingerprint:
        sentences.append(
            "The model was trained on a different version of the data: some of its training photos may be "
            "among the test photos, which would make every metric too optimistic."
        )
    if test.num_images < FEW_PHOTOS:
        fact = "is only 1 test photo" if test.num_images == 1 else f"are only {test.num_images} test photos"
        sentences.append(f"There {fact}, so the intervals are wide. More photos would help more than another model.")
    if test.num_correct == test.num_images:
        sentences.append(
            "No errors on these test photos does not mean no errors on others: an error rate of up to "
            f"{percent(1 - test.accuracy.low)} would be consistent with this result."
        )
    for split, split_figures in (("test", test), ("validation", validation)):
        if split_figures.absent_classes:
            sentences.append(
                f"The {split} split has no photos of {join_names(split_figures.absent_classes)}, so it does not show "
                "how well the model recognizes them."
            )
    sentences += describe_order(test) or _never_predicted(test) or _no_better_than_guessing(test)
    if (dataset.source.git_revision or "").endswith("-dirty"):
        sentences.append(
            "The data was in a git repository with uncommitted changes, so the git revision does not identify it."
        )
    if mlflow_run_id is None:
        sentences.append(
            "This evaluation does not belong to an MLflow run, so later evaluations will not count it as "
            "a use of these test photos."
        )
    if gate.looks is not None and gate.looks >= MANY_LOOKS:
        sentences.append(
            f"{gate.looks} models have been scored on these test photos. The result of the best one is "
            "partly luck; new test photos would show how much."
        )
    if dataset.num_kept < FEW_FOR_ONE_SPLIT and figures.folds is None and test.num_images >= FEW_PHOTOS:
        sentences.append(
            f"With {dataset.num_kept:,} photos, one test split is not very reliable. Set evaluate.folds to 5 "
            "to add cross-validation."
        )
    return sentences


def _never_predicted(test: Figures) -> list[str]:
    """A sentence if the model never predicts some classes, or always predicts the same one."""
    predicted_classes = [class_figures.class_name for class_figures in test.per_class if class_figures.num_predicted]
    if len(predicted_classes) == 1:
        name = predicted_classes[0]
        return [f"The model predicted {name} for every test photo: it has not learned to separate the classes."]
    missing_classes = [
        class_figures.class_name
        for class_figures in test.per_class
        if class_figures.num_images and not class_figures.num_predicted
    ]
    return [f"No test photo was predicted as {join_names(missing_classes)}."] if missing_classes else []


def _no_better_than_guessing(test: Figures) -> list[str]:
    majority_class = max(test.per_class, key=lambda class_figures: class_figures.num_images)
    share = majority_class.num_images / test.num_images
    if share < test.accuracy.low or share == 1:
        return []
    return [
        f"Predicting {majority_class.class_name} for every test photo would be correct for "
        f"{percent(share)}; the model is not significantly better."
    ]
