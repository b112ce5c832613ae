"""Compares several models on the validation photos of one data set; models that are not trained yet are trained first.

<output>/
    leaderboard.html, leaderboard.json   the table and the recommended model, called the pick
    pick.yaml                            the params of the pick, for darkroom run --params
    models/<digest>/                     bundle/ and training.json of each training run, which later calls reuse
    datasets/<digest>/                   the prepared photos, which models with the same preprocessing share
"""

import contextlib
import logging
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from components.contract.errors import ArtifactError, DarkroomError, ParamsError
from components.contract.params.pipeline import Params
from components.contract.tracking.run import Run, create_run, end_run
from components.contract.tracking.store_address import tracking_uri
from pipelines.comparison.models import Model, TrainedModel
from pipelines.comparison.ranking import rank_models
from pipelines.comparison.training import model_from_run, train_model
from pipelines.runners.run_params import write_params

if TYPE_CHECKING:
    from components.contract.artifacts.leaderboard import Leaderboard

log = logging.getLogger(__name__)

LEADERBOARD, PAGE, PICK = "leaderboard.json", "leaderboard.html", "pick.yaml"


def compare(models: Sequence[Model], num_seeds: int, output_dir: Path) -> "Leaderboard":
    """Trains the models that are not trained yet, measures all of them, and writes the leaderboard.

    A model that cannot be trained, or whose validation photos differ from those of the first, is left out with a
    reason.

    Args:
        models: the models to compare, at least two.
        num_seeds: how many times to train each model that does not come from a finished run, each time with a
            different seed.
        output_dir: the folder for the results, created if it does not exist; an interrupted comparison in this folder
            is continued.

    Raises:
        ParamsError: there are fewer than two models.
        ArtifactError: the output folder has other content, or fewer than two models could be compared.
        DataError: the photos cannot be used.
        TrackingError: the MLflow store cannot be written to.
    """
    if len(models) < 2:
        raise ParamsError(
            f"A comparison needs at least two models; there {'is one' if models else 'are none'}. Name "
            "runs or params files, or use --try KEY=VALUE several times."
        )
    _require_place(output_dir)
    os.environ["MLFLOW_TRACKING_URI"] = tracking_uri()
    left_out: list[str] = []
    trained_models: list[TrainedModel] = []
    with _open_parent_run(models[0].params.deploy.model_name) as parent:
        for model in models:
            try:
                trained_models.append(
                    model_from_run(model) if model.run else train_model(model, num_seeds, output_dir, parent)
                )
            except DarkroomError as error:
                left_out.append(f"{model.name}: {error}")
                log.warning("%s is left out: %s", model.name, error)
        board = rank_models(trained_models, left_out)
        pick = next(trained_model.model for trained_model in trained_models if trained_model.model.name == board.pick)
        _write_outputs(output_dir, board, pick.params)
        _log_board(parent, board, output_dir)
    return board


def _require_place(output_dir: Path) -> None:
    is_ours = not output_dir.exists() or (
        output_dir.is_dir()
        and (not any(output_dir.iterdir()) or (output_dir / LEADERBOARD).exists() or (output_dir / "models").is_dir())
    )
    if not is_ours:
        raise ArtifactError(
            f"The output must be a new folder, or the folder of an earlier comparison; {output_dir} has "
            "other content. Choose another one with --output."
        )


@contextlib.contextmanager
def _open_parent_run(experiment: str) -> Iterator[Run]:
    """Opens the MLflow run of the comparison; the runs of its models become its children."""
    parent = create_run(
        experiment=experiment, name=f"compare {time.strftime('%Y-%m-%d %H:%M')}", tags={"darkroom.comparison": "yes"}
    )
    try:
        yield parent
    except BaseException as error:
        end_run(parent, "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise
    end_run(parent, "FINISHED")


def _write_outputs(output_dir: Path, board: "Leaderboard", params: Params) -> None:
    from components.contract.system.atomic_files import write_file, write_json
    from components.evaluate.report.leaderboard_page import render_leaderboard

    write_json(output_dir / LEADERBOARD, board)
    write_file(output_dir / PAGE, render_leaderboard(board).encode())
    pick_params = params.model_copy(
        update={
            "tune": params.tune.model_copy(update={"trials": 0}),
            "evaluate": params.evaluate.model_copy(update={"leaderboard": board}),
        }
    )
    pick_path = output_dir / PICK
    write_params(
        pick_path, pick_params, f"Recommended by darkroom compare. To train it: darkroom run --params {pick_path}"
    )


def _log_board(run: Run, board: "Leaderboard", output_dir: Path) -> None:
    run.set_tags({"darkroom.pick": board.pick, "mlflow.note.content": board.reason})
    run.log_metrics(
        {
            "models": len(board.rows),
            "pick_accuracy": next(row.accuracy.value for row in board.rows if row.name == board.pick),
        }
    )
    for name in (PAGE, LEADERBOARD, PICK):
        run.log_artifacts(output_dir / name, "leaderboard")
