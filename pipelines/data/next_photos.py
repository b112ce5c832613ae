"""Chooses the photos to label next in Label Studio, from the logged predictions of a service or from a folder."""

import datetime
import hashlib
import logging
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from components.contract.errors import ArtifactError, DataError
from components.contract.image.decode import MAX_BYTES
from components.contract.system.atomic_files import new_folder
from components.contract.system.budget import read_regular
from components.contract.text import pluralize, printable
from pipelines.data.label_studio import make_choice, make_task, write_project
from pipelines.runners.runs import find_run

if TYPE_CHECKING:
    from components.deploy.monitoring.drift import Traits
    from components.deploy.service.classifier import Classifier

log = logging.getLogger(__name__)

PHOTOS_DIR: Final = "photos"
MAX_STEM: Final = 50
MAX_SUFFIX: Final = 10
"""How many characters of a photo's stem and suffix the name of its copy keeps: the name also contains a rank, and may
have at most 255 bytes."""


@dataclass(frozen=True)
class NextPhotos:
    """The result of choosing photos.

    Attributes:
        folder: the folder with the tasks, the labeling interface and the photos.
        num_photos: the number of chosen photos.
        num_candidates: the number of photos to choose from.
        num_disputed: the number of chosen photos for which feedback names a different class than the model.
    """

    folder: str
    num_photos: int
    num_candidates: int
    num_disputed: int


@dataclass(frozen=True)
class Candidates:
    """Photos to choose from.

    Attributes:
        traits: the traits of the photos; a photo's name is its prediction id or its path.
        files: the file of each photo, by its name.
        reported_labels: the class that feedback names for a photo, by prediction id.
    """

    traits: "Traits"
    files: Mapping[str, Path]
    reported_labels: Mapping[str, str]


def choose_next(
    source: Path, run: str, count: int, output: Path, *, photos_dir: Path | None, since: datetime.date | None
) -> NextPhotos:
    """Writes a folder with the photos to label next and their tasks.

    Args:
        source: a folder of photos, or a prediction log.
        run: a run id, or `latest`; the new labels should improve the model of this run.
        count: the maximum number of photos.
        output: the new folder, which is created completely or not at all.
        photos_dir: the photos of a prediction log, each named after the id of its prediction.
        since: the first day whose logged predictions are used; None for all days.

    Raises:
        DataError: there are no photos to choose from.
        ArtifactError: `output` exists, or there is no such run.
    """
    import numpy as np

    from components.deploy.monitoring.selection import choose, weigh
    from components.deploy.service.classifier import Classifier

    if output.exists():
        raise ArtifactError(f"The output folder {output} already exists. Choose another one.")
    run_dir = find_run(run).path
    classifier = Classifier(run_dir / "bento" / "bento" / "src")
    if source.is_dir() and any(source.glob("*.jsonl")):
        candidates = _find_logged(classifier, source, photos_dir, since, run_dir / "dataset")
    elif photos_dir is not None or since is not None:
        raise DataError(f"--photos and --since need a prediction log; {source} is not one.")
    else:
        candidates = _find_in_folder(classifier, source, run_dir / "dataset")
    traits, reported_labels = candidates.traits, candidates.reported_labels
    answers = zip(traits.names, traits.labels, strict=True)
    disputed = np.array([reported_labels.get(name, label) != label for name, label in answers], bool)
    weights = weigh(traits.confidence, classifier.measure_unfamiliar(traits.embeddings), disputed)
    chosen = choose(weights, traits.embeddings, count)
    with new_folder(output) as folder:
        (folder / PHOTOS_DIR).mkdir()
        tasks = [_write_task(folder, rank, candidates, index, classifier) for rank, index in enumerate(chosen)]
        write_project(folder, tasks, classifier.facts.class_names)
    return NextPhotos(str(output), len(chosen), len(traits), int(disputed[chosen].sum()))


def _find_logged(
    classifier: "Classifier", log_dir: Path, photos_dir: Path | None, since: datetime.date | None, dataset_dir: Path
) -> Candidates:
    """Finds the photos of logged predictions, except those that are in the data set of the run."""
    from components.deploy.monitoring.signals import logged_traits
    from components.deploy.predict import find_files
    from components.deploy.service.predictions.feedback import read_feedback
    from components.deploy.service.predictions.prediction_log import read_log

    if photos_dir is None:
        raise DataError(
            "A prediction log does not contain the photos: name their folder with --photos. Each photo must be named "
            "after the id of its prediction, such as ID.jpg."
        )
    files = {file.stem: file for file in find_files([photos_dir])}
    predictions = {prediction.id: prediction for prediction in read_log(log_dir, since) if prediction.id in files}
    if not predictions:
        raise DataError(
            "Photos must be named after the ids of their predictions, such as ID.jpg; none of the "
            f"{pluralize(len(files), 'file')} in {photos_dir} has the id of a prediction in {log_dir}"
            f"{f' since {since}' if since else ''}."
        )
    reported_labels = read_feedback(log_dir)
    # Names with feedback come first, because only the first of several identical photos is kept.
    names = sorted(predictions, key=lambda name: name not in reported_labels)
    new_files = _find_new({name: files[name] for name in names}, dataset_dir, photos_dir)
    new_predictions = [prediction for name, prediction in predictions.items() if name in new_files]
    return Candidates(logged_traits(new_predictions, classifier.facts.tag), new_files, reported_labels)


def _find_in_folder(classifier: "Classifier", source: Path, dataset_dir: Path) -> Candidates:
    """Finds the photos of a folder that are not in the data set of the run."""
    from components.deploy.monitoring.signals import folder_traits
    from components.deploy.predict import find_files

    new_files = _find_new({str(file): file for file in find_files([source])}, dataset_dir, source)
    return Candidates(folder_traits(classifier, list(new_files.values())), new_files, {})


def _find_new(files: Mapping[str, Path], dataset_dir: Path, photos_dir: Path) -> dict[str, Path]:
    """Returns the files whose content is not in the data set, by name and without duplicates."""
    from components.deploy.monitoring.neighbors import read_paths

    known_ids = set(read_paths(dataset_dir))
    new_files: dict[str, Path] = {}
    for name, file in files.items():
        try:
            image_id = hashlib.sha256(read_regular(file, MAX_BYTES)).hexdigest()[:32]
        except OSError as error:
            log.warning("%s is left out because it cannot be read: %s", file, error.strerror)
            continue
        if image_id not in known_ids:
            new_files[name] = file
            known_ids.add(image_id)
    if not new_files:
        raise DataError(
            f"There is nothing to label: the run's data set already contains everything in {photos_dir} "
            f"({pluralize(len(files))})."
        )
    return new_files


def _write_task(
    folder: Path, rank: int, candidates: Candidates, index: int, classifier: "Classifier"
) -> dict[str, Any]:
    """Copies a photo, and returns its task with a suggested label for a person to confirm."""
    traits = candidates.traits
    name, answer, confidence = traits.names[index], traits.labels[index], round(float(traits.confidence[index]), 4)
    file, reported_label = candidates.files[name], candidates.reported_labels.get(name)
    stem, suffix = (re.sub(r"[^\w.-]+", "_", printable(text)) for text in (file.stem, file.suffix))
    target = f"{PHOTOS_DIR}/{rank:03d}-{stem[:MAX_STEM]}{suffix[:MAX_SUFFIX]}"
    shutil.copyfile(file, folder / target)
    facts = {"source": printable(name), "answer": answer, "confidence": str(confidence), "reported": reported_label}
    prediction: dict[str, Any] = {
        "model_version": "feedback" if reported_label else classifier.facts.tag,
        "result": [make_choice(reported_label or answer)],
    }
    if not reported_label:
        prediction["score"] = confidence
    return make_task(target, facts) | {"predictions": [prediction]}
