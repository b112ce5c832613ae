"""Compares several models of one data set on its validation photos: trains those that have to be, measures all of them.

<output>/
    leaderboard.html, leaderboard.json   the table and the pick
    pick.yaml                            the params of the pick: darkroom run --params
    models/<digest>/                     bundle/ and training.json of each training, which is not done twice
    datasets/<digest>/                   the photos as prepared for a model
"""

import contextlib
import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from components.contract.errors import ArtifactError, DarkroomError, ParamsError
from components.contract.params.pipeline import Params, dump_section, load_params, parse_section
from components.contract.tracking.run import Run, child_run, create_run, end_run, tracking_uri
from pipelines.runners.run_params import write_params
from pipelines.runners.runs import PARAMS_FILE, RunFolder

if TYPE_CHECKING:
    import numpy as np

    from components.contract.artifacts.leaderboard import Leaderboard
    from components.contract.params.training import TrainParams
    from components.evaluate.gate.leaderboard import Entrant

log = logging.getLogger(__name__)

LEADERBOARD, PAGE, PICK = "leaderboard.json", "leaderboard.html", "pick.yaml"
ROUNDS, ROUNDS_OF_8 = 30, 10
"""How often each model's latency is taken."""


@dataclass(frozen=True)
class Model:
    """What is to be compared.

    Attributes:
        name: no other has it.
        params: resolved.
        run: the finished run that has trained it already.
    """

    name: str
    params: Params
    run: RunFolder | None = None


@dataclass(frozen=True)
class Trained:
    """A model with all its trainings."""

    model: Model
    dataset_dir: Path
    bundle_dirs: tuple[Path, ...]
    seeds: tuple[int, ...]
    minutes: float


def model_of_run(folder: RunFolder) -> Model:
    """A finished run as something to compare.

    Raises:
        ArtifactError: it has not finished.
        ParamsError: its params are of another version.
    """
    summary = folder.summary
    if summary is None:
        raise ArtifactError(f"Only a finished run can be compared; {folder.path.name} is not.")
    from components.contract.artifacts.bundle import read_bundle
    from components.contract.params.training import TrainParams

    params = load_params(folder.path / PARAMS_FILE)
    # What the search found, where there was one, stands in the bundle.
    train = parse_section(TrainParams, json.dumps(read_bundle(folder.path / "model").params))
    params = params.model_copy(update={"train": train})
    return Model(f"{summary['model']['name']} of {folder.path.name}", params, folder)


def compare(models: Sequence[Model], num_seeds: int, output_dir: Path) -> "Leaderboard":
    """Trains what has to be trained, measures all, and writes the leaderboard.

    A model that cannot be trained, or that has other validation photos than the first, is left out with its reason.

    Args:
        models: at least two.
        num_seeds: how often each is trained, where it is not a finished run.
        output_dir: is made, or gone on with.

    Raises:
        ParamsError: there are fewer than two models.
        ArtifactError: the output folder holds something else, or fewer than two models could be compared.
        DataError: the photos cannot be used.
        TrackingError: the MLflow store cannot be written.
    """
    if len(models) < 2:
        raise ParamsError(
            f"A comparison needs at least two models; there {'is one' if models else 'are none'}. Name "
            "runs or params files, or give --try KEY=VALUE several times."
        )
    _require_place(output_dir)
    os.environ["MLFLOW_TRACKING_URI"] = tracking_uri()
    left_out: list[str] = []
    found: list[Trained] = []
    with _parent_run(models[0].params.deploy.model_name) as parent:
        for model in models:
            try:
                found.append(_of_run(model) if model.run else _train(model, num_seeds, output_dir, parent))
            except DarkroomError as error:
                left_out.append(f"{model.name}: {error}")
                log.warning("%s is left out: %s", model.name, error)
        board = _rank(found, left_out)
        picked = next(one.model for one in found if one.model.name == board.pick)
        _write(output_dir, board, picked.params)
        _log(parent, board, output_dir)
    return board


def _require_place(output_dir: Path) -> None:
    ours = not output_dir.exists() or (
        output_dir.is_dir()
        and (not any(output_dir.iterdir()) or (output_dir / LEADERBOARD).exists() or (output_dir / "models").is_dir())
    )
    if not ours:
        raise ArtifactError(
            f"A comparison must be written into a new folder, or that of an earlier one; {output_dir} "
            "holds something else. Name another with --output."
        )


@contextlib.contextmanager
def _parent_run(experiment: str) -> Iterator[Run]:
    """The MLflow run of the comparison; each training is a child of it."""
    parent = create_run(
        experiment=experiment, name=f"compare {time.strftime('%Y-%m-%d %H:%M')}", tags={"darkroom.comparison": "yes"}
    )
    try:
        yield parent
    except BaseException as error:
        end_run(parent, "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise
    end_run(parent, "FINISHED")


def _of_run(model: Model) -> Trained:
    assert model.run is not None, "the caller has looked"
    summary = model.run.summary
    assert summary is not None, "it was looked at when it became a model"
    path = model.run.path
    return Trained(
        model, path / "dataset", (path / "model",), (model.params.train.seed,), summary["seconds"]["train"] / 60
    )


def _train(model: Model, num_seeds: int, output_dir: Path, parent: Run) -> Trained:
    """Prepares the photos and trains with each seed, as far as that has not been done."""
    from components.preprocess.step import preprocess

    params = model.params
    dataset_dir = output_dir / "datasets" / _digest(params.data.uri, dump_section(params.preprocess))
    info = preprocess(params.data.uri, params.preprocess, dataset_dir)
    bundle_dirs, seconds = [], []
    seeds = tuple(params.train.seed + number for number in range(num_seeds))
    for seed in seeds:
        train = params.train.model_copy(update={"seed": seed})
        folder = output_dir / "models" / _digest(info.fingerprint, dump_section(train))
        note = folder / "training.json"
        if note.exists():
            log.info("%s with seed %d stands already.", model.name, seed)
        else:
            log.info("%s with seed %d:", model.name, seed)
            _train_once(dataset_dir, train, folder, child_run(parent, f"{model.name}, seed {seed}", {}))
        bundle_dirs.append(folder / "bundle")
        seconds.append(json.loads(note.read_text(encoding="utf-8"))["seconds"])
    return Trained(model, dataset_dir, tuple(bundle_dirs), seeds, sum(seconds) / len(seconds) / 60)


def _train_once(dataset_dir: Path, train: "TrainParams", folder: Path, run: Run) -> None:
    from components.contract.system.atomic_files import write_json
    from components.train.step import train as run_train

    before = os.environ.get("MLFLOW_RUN_ID")
    if run.run_id is not None:
        os.environ["MLFLOW_RUN_ID"] = run.run_id
    started, status = time.monotonic(), "FAILED"
    try:
        run_train(dataset_dir, train, folder / "bundle")
        write_json(folder / "training.json", {"seconds": round(time.monotonic() - started, 3)})
        status = "FINISHED"
    finally:
        end_run(run, status)
        os.environ.pop("MLFLOW_RUN_ID", None)
        if before is not None:
            os.environ["MLFLOW_RUN_ID"] = before
        import keras

        keras.utils.clear_session(free_memory=True)


def _rank(found: Sequence[Trained], left_out: list[str]) -> "Leaderboard":
    """Scores and times all that were trained on the same photos as the first."""
    import numpy as np

    from components.contract.artifacts.dataset import open_split, read_info
    from components.contract.inference.graph import InferenceGraph
    from components.evaluate.gate.leaderboard import rank
    from components.evaluate.measure.latency import measure_latencies_ms

    kept: list[Trained] = []
    models = []
    photos: dict[str, int] = {}
    for one in found:
        split = open_split(one.dataset_dir, "validation")
        own = dict(zip(split.image_ids, split.labels.tolist(), strict=True))
        photos = photos or own
        if own != photos:
            left_out.append(
                f"{one.model.name}: its validation photos are not those of {kept[0].model.name}, of which "
                f"it has {len(own.items() & photos.items()):,} of {len(photos):,}."
            )
            log.warning("%s", left_out[-1])
            continue
        kept.append(one)
        models.append((InferenceGraph(one.bundle_dirs[0] / "export"), split))
    if len(kept) < 2:
        raise ArtifactError(
            "At least two models must be there to be compared on the same photos; "
            f"{'one is' if kept else 'none is'}. {' '.join(left_out)}"
        )
    log.info("Timing %d models by turns.", len(kept))
    latencies = measure_latencies_ms(models, 1, ROUNDS), measure_latencies_ms(models, 8, ROUNDS_OF_8)
    order = sorted(photos)
    labels = np.array([photos[image_id] for image_id in order], np.int32)
    entrants = [_entrant(one, order, labels, *times) for one, *times in zip(kept, *latencies, strict=True)]
    return rank(entrants, labels, read_info(kept[0].dataset_dir).name, left_out, np.random.default_rng(0))


def _entrant(
    trained: Trained, order: Sequence[str], labels: "np.ndarray", latency_ms: float, latency_of_8_ms: float
) -> "Entrant":
    """Scores each training's model on the validation photos, in the common order."""
    import numpy as np

    from components.contract.artifacts.bundle import read_bundle
    from components.contract.artifacts.dataset import open_split, read_info
    from components.contract.inference.graph import InferenceGraph
    from components.evaluate.gate.leaderboard import Entrant
    from components.evaluate.measure.predictions import score

    split, num_classes = open_split(trained.dataset_dir, "validation"), len(read_info(trained.dataset_dir).class_names)
    rows = np.array([split.index_of[image_id] for image_id in order])
    predicted = np.stack(
        [
            score(InferenceGraph(bundle_dir / "export"), split, "validation", num_classes).predicted[rows]
            for bundle_dir in trained.bundle_dirs
        ]
    )
    first = trained.bundle_dirs[0]
    num_bytes = sum(path.stat().st_size for path in first.rglob("*") if path.is_file())
    return Entrant(
        trained.model.name,
        trained.seeds,
        predicted == labels,
        predicted,
        read_bundle(first).model.num_parameters,
        round(num_bytes / 1e6, 3),
        latency_ms,
        latency_of_8_ms,
        round(trained.minutes, 3),
    )


def _write(output_dir: Path, board: "Leaderboard", params: Params) -> None:
    from components.contract.system.atomic_files import write_file, write_json
    from components.evaluate.report.leaderboard_page import render_leaderboard

    write_json(output_dir / LEADERBOARD, board)
    write_file(output_dir / PAGE, render_leaderboard(board).encode())
    picked = params.model_copy(
        update={
            "tune": params.tune.model_copy(update={"trials": 0}),
            "evaluate": params.evaluate.model_copy(update={"leaderboard": board}),
        }
    )
    write_params(output_dir / PICK, picked, f"What darkroom compare picked: darkroom run --params {output_dir / PICK}")


def _log(run: Run, board: "Leaderboard", output_dir: Path) -> None:
    run.set_tags({"darkroom.pick": board.pick, "mlflow.note.content": board.reason})
    run.log_metrics(
        {
            "models": len(board.rows),
            "pick_accuracy": next(row.accuracy.value for row in board.rows if row.name == board.pick),
        }
    )
    for name in (PAGE, LEADERBOARD, PICK):
        run.log_artifacts(output_dir / name, "leaderboard")


def _digest(*facts: str) -> str:
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:12]
