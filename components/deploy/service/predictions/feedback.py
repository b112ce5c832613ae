"""Stores feedback from clients: the correct label of a photo, by the id of its prediction.

Each reported label is a line of JSON in `feedback/<day>-<process>.jsonl` in the folder of the prediction log. Anyone
with access to the service can report a label, so it may be wrong: `darkroom data next` asks a person to confirm it.
"""

from collections import OrderedDict
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from components.contract.record import BaseRecord
from components.deploy.service.gateway.upload import RefusedUpload
from components.deploy.service.predictions.log_files import DailyFiles, read_records
from components.deploy.service.protocol import Feedback

FEEDBACK_DIR: Final = "feedback"
MAX_BYTES: Final = 64 * 2**20
"""The maximum size of the feedback that one process writes."""
MAX_LABELS: Final = 3
"""The maximum number of labels that clients can report for one prediction, one after another."""
MAX_REMEMBERED: Final = 10_000
"""The number of predictions whose labels are remembered. To exceed MAX_LABELS for a prediction, a client must first
send feedback for this many other predictions."""


class LoggedFeedback(BaseRecord):
    """A line of the feedback log."""

    id: str
    """The id of the prediction."""
    time: datetime
    label: str


class FeedbackBook:
    """Writes the feedback of one process; must not be shared by threads."""

    def __init__(self, log_dir: Path):
        self._files = DailyFiles(log_dir / FEEDBACK_DIR)
        self._labels: OrderedDict[str, list[str]] = OrderedDict()
        self._num_bytes = 0

    def add(self, feedback: Feedback, predicted_label: str | None) -> str:
        """Writes feedback unless it repeats the last label reported for the prediction; returns the predicted label.

        Args:
            feedback: its label must be a class of the model.
            predicted_label: the predicted label in the log; None if the log does not contain the prediction.

        Raises:
            RefusedUpload: the prediction is unknown or has the maximum number of labels, or the log is full or
                cannot be written.
        """
        if predicted_label is None:
            raise RefusedUpload(
                404,
                "unknown_id",
                "The log of this service has no prediction with this id: the prediction was made by a different "
                "service, was not logged, or was deleted.",
            )
        labels = self._labels.setdefault(feedback.id, [])
        self._labels.move_to_end(feedback.id)
        if len(self._labels) > MAX_REMEMBERED:
            self._labels.popitem(last=False)
        if labels and labels[-1] == feedback.label:
            return predicted_label
        if len(labels) == MAX_LABELS:
            raise RefusedUpload(
                409,
                "too_many_labels",
                f"A prediction can have at most {MAX_LABELS} labels; this prediction already has that many.",
            )
        now = datetime.now(UTC)
        line = LoggedFeedback(id=feedback.id, time=now, label=feedback.label).model_dump_json().encode() + b"\n"
        if self._num_bytes + len(line) > MAX_BYTES:
            raise RefusedUpload(503, "log_full", f"The feedback log has reached {MAX_BYTES // 2**20} MiB.")
        try:
            self._files.append(now, line)
        except OSError:
            raise RefusedUpload(503, "log_failed", "The feedback could not be written; try again.") from None
        self._num_bytes += len(line)
        labels.append(feedback.label)
        return predicted_label


def read_feedback(log_dir: Path) -> dict[str, str]:
    """Reads the last reported label of each prediction, by the prediction's id.

    Raises:
        DataError: a line is damaged.
    """
    reports = [
        report
        for path in sorted((log_dir / FEEDBACK_DIR).glob("*.jsonl"))
        for report in read_records(path, LoggedFeedback)
    ]
    return {report.id: report.label for report in sorted(reports, key=lambda report: report.time)}
