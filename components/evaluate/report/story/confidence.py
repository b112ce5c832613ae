"""Describes how reliable the probabilities are, and which photos are detected as unfamiliar."""

from components.contract.artifacts.figures import CalibrationFigures
from components.contract.pages.blocks import Block, Charts, Heading, Section, Table, Text
from components.evaluate.formatting import estimate, percent
from components.evaluate.report.model import Content, charts_of

COVERAGE_DESCRIPTION = "Accuracy of the model’s answers, by the share of photos that it answers."


def confidence_section(content: Content) -> Section:
    """The temperature, the reliability of the probabilities, abstention, and unfamiliar photos."""
    calibration = content.figures.calibration
    body: list[Block] = [Text("This model is not calibrated.")]
    if calibration is not None:
        body = [
            Text(_temperature_text(calibration), "soft"),
            Charts(
                charts_of(
                    content, ("reliability", _describe_reliability(calibration)), ("coverage", COVERAGE_DESCRIPTION)
                )
            ),
            Heading("Abstention"),
            Text(_threshold_text(calibration)),
            Heading("Unfamiliar photos"),
            *_familiarity(calibration),
        ]
    return Section("calibration", "Calibration", body, "Confidence")


def _temperature_text(calibration: CalibrationFigures) -> str:
    return (
        f"The network’s logits are divided by a temperature of {calibration.temperature:.2f}, fitted on the "
        "validation photos, before they become probabilities; the service does the same. Confidence and accuracy on "
        f"the test photos differed by {percent(calibration.error_before)} before this division and by "
        f"{percent(calibration.error_after)} after it; the log loss was {calibration.log_loss_before:.3f} before and "
        f"{calibration.log_loss_after:.3f} after."
    )


def _describe_reliability(calibration: CalibrationFigures) -> str:
    bins = calibration.bins
    points = "; ".join(f"{percent(item.sureness)} confidence, {percent(item.accuracy.value)} correct" for item in bins)
    return f"Reliability of {len(bins)} groups of answers: {points}."


def _threshold_text(calibration: CalibrationFigures) -> str:
    target = percent(calibration.target_accuracy)
    if calibration.threshold is None:
        return (
            f"There is no threshold at which {target} of the answers on validation photos are correct, so the model "
            "never abstains."
        )
    if calibration.threshold == 0:
        return f"Of all answers on validation photos, at least {target} are correct, so the model never abstains."
    accuracy = calibration.answered_accuracy
    correct = f", {estimate(accuracy)} of them correctly" if accuracy else ""
    return (
        f"Answers with a confidence below {percent(calibration.threshold)} are withheld, so that {target} of the "
        "remaining answers are correct on the validation photos. The model answers "
        f"{estimate(calibration.coverage)} of the test photos{correct}."
    )


def _familiarity(calibration: CalibrationFigures) -> list[Block]:
    checks = calibration.familiarity
    rows = [
        [
            check.kind,
            f"{check.num_images:,}",
            percent(check.flagged.value),
            "–" if check.roc_auc is None else f"{check.roc_auc:.3f}",
        ]
        for check in checks
    ]
    return [
        Text(
            "A photo is unfamiliar if its embedding is far, in cosine distance, from its nearest neighbors among the "
            "training photos (Sun et al., 2022). With the threshold used here, "
            f"{percent(checks[0].flagged.value)} of the test photos are unfamiliar.",
            "soft",
        ),
        Table(
            ["Pictures", "Number", "Detected as unfamiliar", "ROC AUC against test photos"], rows, "Unfamiliar pictures"
        ),
    ]
