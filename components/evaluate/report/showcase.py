"""Selects the photos that the report shows, with their pixels, file names and explanations."""

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from components.contract.artifacts.dataset import SPLITS, Split, SplitName
from components.contract.inference.cam import Explainer
from components.contract.inference.graph import InferenceGraph
from components.evaluate.data_quality.label_errors import LabelError
from components.evaluate.data_quality.outliers import Outlier
from components.evaluate.examine import Examination
from components.evaluate.measure.mistakes import Answer, pair_mistakes, right_answers, worst_mistakes
from components.evaluate.measure.slices import Original
from components.evaluate.report.model import Doubt, OddPhoto, Photo, Showcase

log = logging.getLogger(__name__)

NUM_RIGHT, NUM_PAIRS, NUM_PER_PAIR, NUM_DOUBTS = 6, 5, 6, 12


def build_showcase(
    graph: InferenceGraph,
    splits: Mapping[SplitName, Split],
    examination: Examination,
    originals: Mapping[str, Original],
    num_mistakes: int,
) -> Showcase:
    """Selects the photos and explains the answers.

    Args:
        graph: computes the explanations.
        splits: all three splits; any of them may contain doubtful labels.
        examination: contains the mistakes, confused pairs, doubtful labels and outliers.
        originals: the original files of the photos, by image_id.
        num_mistakes: the number of wrong answers to show; 0 shows no photos at all.
    """
    if num_mistakes == 0:
        return Showcase()
    split, test, figures = splits["test"], examination.scored["test"], examination.figures
    mistakes, correct_answers = worst_mistakes(test, num_mistakes), right_answers(test, NUM_RIGHT)
    pairs = figures.test.most_confused[:NUM_PAIRS]
    answers_of_pair = pair_mistakes(test, pairs, figures.class_names, NUM_PER_PAIR)
    answers = [*mistakes, *correct_answers]
    explainer = Explainer(graph)

    def new_photo(answer: Answer, heat: np.ndarray | None = None) -> Photo:
        return Photo(answer, split.image(answer.index), _path(originals, answer.image_id), heat)

    photos = [
        new_photo(answer, explainer.explain(split.image(answer.index), answer.predicted).values) for answer in answers
    ]
    return Showcase(
        mistakes=photos[: len(mistakes)],
        right=photos[len(mistakes) :],
        pairs=[
            (pair, [new_photo(answer) for answer in pair_answers])
            for pair, pair_answers in zip(pairs, answers_of_pair, strict=True)
        ],
        doubts=[
            Doubt(error, *_find_photo(error, splits, originals)) for error in examination.label_errors[:NUM_DOUBTS]
        ],
        outliers=[
            OddPhoto(outlier, *_find_photo(outlier, splits, originals)) for outlier in examination.outliers[:NUM_DOUBTS]
        ],
        method=explainer.method,
    )


def read_originals(manifest_path: Path) -> dict[str, Original]:
    """The original file of each kept photo by image_id, from the manifest; empty if the manifest cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not manifest_path.exists():
        return {}
    try:
        column_names = set(pq.read_schema(manifest_path).names)
        columns = [name for name in ("path", "sha256", "native_height", "native_width") if name in column_names]
        rows = pq.read_table(manifest_path, columns=columns, filters=[("split", "in", SPLITS)]).to_pylist()
    except (OSError, pa.ArrowException) as error:
        log.warning("%s cannot be read: %s. The report shows photos without their file names.", manifest_path, error)
        return {}
    return {
        row["sha256"][:32]: Original(row["path"], row.get("native_height"), row.get("native_width"))
        for row in rows
        if row.get("sha256")
    }


def _find_photo(
    finding: LabelError | Outlier, splits: Mapping[SplitName, Split], originals: Mapping[str, Original]
) -> tuple[np.ndarray, str | None]:
    """The pixels of the photo that a finding is about, and the path of the original file."""
    split = next(split for name, split in splits.items() if name == finding.split)
    return split.image(split.index_of[finding.image_id]), _path(originals, finding.image_id)


def _path(originals: Mapping[str, Original], image_id: str) -> str | None:
    return originals[image_id].path if image_id in originals else None
