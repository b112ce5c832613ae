"""The search for the best params: a resumable Optuna study that prunes trials and that several searches can share."""

import contextlib
import hashlib
import json
import logging
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.contract.artifacts.dataset import DatasetInfo
from components.contract.artifacts.study import StudyInfo, Trial
from components.contract.errors import ModelError, ParamsError
from components.contract.layers.backbones import BACKBONES
from components.contract.params.resolve import resolve_train
from components.contract.params.training import TrainParams
from components.contract.params.tuning import Space, TuneParams, with_values
from components.contract.system.program import clear_finish_request, is_finish_requested, note_progress
from components.contract.tracking.run import Run, child_run, end_run
from components.contract.tracking.store import NAME_TAG
from components.train.tuning.cost import Cost
from components.train.tuning.storage import WARM_UP_TRIALS, fail_interrupted_trials, make_sampler, open_study
from components.train.tuning.trials import (
    REASON,
    RUN_ID,
    OutOfMemoryError,
    accuracies,
    choice_of,
    count_begun,
    count_ended,
    describe_trial,
    explain_choice,
    objective_values,
    pareto_front,
    record_cost,
    report,
    suggest,
)

if TYPE_CHECKING:
    import optuna

    from components.train.loop.fit_result import FitResult, Watch

log = logging.getLogger(__name__)

Objective = Callable[[TrainParams, Run, "Watch"], "FitResult"]
"""Trains with these params, logs to this run, and calls the watch after each epoch."""
MeasureCost = Callable[[TrainParams], Cost]
"""Measures the cost of the network that these params describe."""


class Search:
    """A study for one data set and one search space."""

    def __init__(self, info: DatasetInfo, train: TrainParams, tune: TuneParams, space: Space):
        """Computes the name of the study, but does not open it yet.

        Args:
            info: describes the data set.
            train: the resolved train section.
            tune: determines the budget, the objectives, the sampler and the pruner.
            space: the search space.
        """
        self._info = info
        self._train = train
        self._tune = tune
        self._space = space
        facts: list[Any] = [
            info.fingerprint,
            train.model_dump(mode="json"),
            {key: searched.model_dump(mode="json") for key, searched in space.items()},
        ]
        if tune.weighs_costs:
            facts.append([tune.objectives, tune.max_latency_ms, tune.max_size_mb])
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
        self.name = f"{info.name}-{digest[:12]}"

    def run(self, objective: Objective, parent: Run, measure_cost: MeasureCost | None = None) -> StudyInfo:
        """Runs trials until the budget is used up, and returns the results of all trials.

        Args:
            objective: trains one trial.
            parent: the MLflow run in which each trial gets a child run.
            measure_cost: measures the cost of a network; required if the tune section limits or minimizes costs.

        Raises:
            SearchError: the study cannot be opened, another search is using it, or no trial was completed.
        """
        with self._open_study() as study:
            fail_interrupted_trials(study)
            for trial in self._finished_trials(study):
                note_progress(
                    "trial",
                    number=trial.number,
                    state=trial.state,
                    values=trial.values,
                    accuracy=trial.accuracy,
                    reason=trial.reason,
                )
            num_ended = count_ended(study)
            if num_ended:
                log.info(
                    "The study %s already has %d of %d trials; the search continues.",
                    self.name,
                    num_ended,
                    self._tune.trials,
                )
            deadline = time.monotonic() + 60 * (self._tune.minutes or 1e9)
            if num_ended < self._tune.trials and len(self._tune.objectives) > 1 and self._tune.pruner != "none":
                log.info("With several objectives, no trial is stopped early: pruning requires a single objective.")
            while (number := count_begun(study)) < self._tune.trials and time.monotonic() < deadline:
                study.sampler = make_sampler(self._tune, number)
                study.optimize(
                    lambda optuna_trial: self._try(optuna_trial, objective, measure_cost, parent),
                    n_trials=1,
                    catch=(OutOfMemoryError,),
                )
                if is_finish_requested() and accuracies(study, self._tune.objectives):
                    log.info("Finish requested: the search stops here and uses the best trial so far.")
                    clear_finish_request()
                    break
            return self._info_of(study, parent)

    def _open_study(self) -> contextlib.AbstractContextManager["optuna.Study"]:
        return open_study(self.name, self._info.fingerprint, self._tune, sum(p.epochs for p in self._train.all_phases))

    def _try(
        self, trial: "optuna.Trial", objective: Objective, measure_cost: MeasureCost | None, parent: Run
    ) -> float | list[float]:
        import optuna
        import tensorflow as tf

        objectives = self._tune.objectives
        values = {key: suggest(trial, key, searched) for key, searched in self._space.items()}
        values_text = ", ".join(f"{key.rpartition('.')[2]} {_text(value)}" for key, value in values.items())
        log.info(
            "Trial %d (done: %d of %d): %s.", trial.number + 1, count_ended(trial.study), self._tune.trials, values_text
        )
        run = child_run(parent, f"trial {trial.number + 1}: {values_text}", {"darkroom.trial": str(trial.number)})
        run.log_params(for_mlflow(values))
        trial.set_user_attr(RUN_ID, run.run_id)
        note_progress("trial", number=trial.number, state="running", values=values, trials=self._tune.trials)
        state, status, accuracy, reason = "interrupted", "KILLED", None, None
        try:
            train, cost = self._resolve_params(values), None
            if self._tune.weighs_costs:
                assert measure_cost is not None, "measure_cost is required if the tune section weighs costs"
                cost = measure_cost(train)
                run.log_metrics({"latency_ms": cost.latency_ms, "size_mb": cost.size_mb})
                record_cost(trial, cost, self._tune)
            result = objective(train, run, lambda epoch, figures: report(trial, epoch, figures))
            accuracy = result.at_best("val_accuracy")
            run.log_metrics({"validation/accuracy": accuracy})  # the same column in MLflow as for training runs
            state, status = "complete", "FINISHED"
            log.info(
                "Trial %d: validation accuracy %.4f, epochs: %d; the best accuracy so far is %.4f.",
                trial.number + 1,
                accuracy,
                result.epochs_run,
                max([accuracy, *accuracies(trial.study, objectives)]),
            )
            return objective_values(objectives, accuracy, cost) if len(objectives) > 1 else accuracy
        except optuna.TrialPruned as pruned:
            state, status, reason = "pruned", "FINISHED", str(pruned)
            log.info("Trial %d: %s.", trial.number + 1, pruned)
            raise
        except (ModelError, ParamsError) as error:
            state, status, reason = "pruned", "FINISHED", str(error)
            trial.set_user_attr(REASON, reason)
            log.warning("Trial %d is invalid: %s", trial.number + 1, error)
            raise optuna.TrialPruned(str(error)) from None
        except (tf.errors.ResourceExhaustedError, MemoryError) as error:
            state, status = "failed", "FAILED"
            reason = ": ".join(("out of memory", *str(error).splitlines()[:1]))
            trial.set_user_attr(REASON, reason)
            log.warning("Trial %d ran out of memory; the search continues.", trial.number + 1)
            raise OutOfMemoryError(reason) from None
        except Exception as error:
            state, status, reason = "failed", "FAILED", str(error)
            raise
        finally:
            note_progress("trial", number=trial.number, state=state, values=values, accuracy=accuracy, reason=reason)
            if run.run_id is not None:
                mark = "" if state == "complete" else f", {state}"
                name = f"trial {trial.number + 1}{mark}: {values_text}"
                run.set_tags({"darkroom.trial_state": state, NAME_TAG: name})
            end_run(run, status)

    def _resolve_params(self, values: dict[str, Any]) -> TrainParams:
        """Resolves a trial's params; if they choose a backbone, photos above its default size will be scaled down."""
        params = with_values(
            self._train, {key: choice_of(value, self._space.get(key)) for key, value in values.items()}
        )
        dataset_size = self._info.image_size
        own_size = BACKBONES[params.model.name].size if "model.name" in values and params.model.name else None
        if own_size is not None and params.image_size is None and own_size < min(dataset_size):
            params = params.model_copy(update={"image_size": own_size})
        return resolve_train(params, dataset_size)[0]

    def _finished_trials(self, study: "optuna.Study") -> tuple[Trial, ...]:
        """Returns all trials that have ended, including those of earlier searches."""
        return tuple(
            describe_trial(trial, self._tune.objectives)
            for trial in study.get_trials(deepcopy=False)
            if trial.state.is_finished()
        )

    def _info_of(self, study: "optuna.Study", parent: Run) -> StudyInfo:
        import optuna

        objectives = self._tune.objectives
        trials = self._finished_trials(study)
        front = pareto_front(study, trials)
        importance: dict[str, float] = {}
        all_accuracies = accuracies(study, objectives)
        if len(all_accuracies) > WARM_UP_TRIALS and len(set(all_accuracies)) > 1:
            place = objectives.index("accuracy")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # Optuna warns if all trials are equal
                importances = optuna.importance.get_param_importances(study, target=lambda trial: trial.values[place])
            importance = {key: round(value, 4) for key, value in importances.items()}
        return StudyInfo(
            name=self.name,
            dataset_fingerprint=self._info.fingerprint,
            trials=trials,
            best=front[0],
            objectives=objectives,
            front=front,
            choice=explain_choice(front, self._tune),
            importance=importance,
            mlflow_run_id=parent.run_id,
        )

    def with_best(self, study: StudyInfo) -> TrainParams:
        """Returns the resolved params of the best trial."""
        best = next(trial for trial in study.trials if trial.number == study.best)
        return self._resolve_params(best.values)

    def draw(self, path: Path, info: StudyInfo) -> None:
        """Writes the interactive page of the study."""
        from components.train.tuning.page import write_page

        with self._open_study() as study:
            write_page(study, info, path)


def for_mlflow(values: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Returns the values of a trial as MLflow params, whose names cannot contain brackets."""
    return {f"{prefix}{key}".replace("[", ".").replace("]", ""): str(value) for key, value in values.items()}


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
