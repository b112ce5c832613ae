"""The trials of a study: exchanges their values with Optuna, counts them, and converts them to records."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from components.contract.artifacts.study import Trial
from components.contract.errors import ModelError, SearchError
from components.contract.params.tuning import Choice, Choices, Objective, TuneParams
from components.contract.text import join_names
from components.train.tuning.cost import Cost

if TYPE_CHECKING:
    import optuna

REASON, EPOCHS, DATASET, LATENCY, SIZE, RUN_ID = "reason", "epochs", "dataset", "latency_ms", "size_mb", "mlflow_run_id"
"""The keys of user attributes of a trial, or of the study, in Optuna."""


class TooCostlyError(ModelError):
    """A network exceeds the time or size that the tune section allows."""


class OutOfMemoryError(Exception):
    """A trial ran out of memory; it fails with a reason, and the study continues."""


def label_of(choice: Choice) -> Any:
    """Returns the label under which Optuna stores a choice: JSON if the choice is a mapping or a list."""
    return json.dumps(choice, sort_keys=True) if isinstance(choice, dict | list) else choice


def choice_of(label: Any, searched: Any) -> Any:
    """Returns the choice for which `label_of` returns this label; a value from a range is returned unchanged."""
    choices = searched.choices if isinstance(searched, Choices) else ()
    return next((choice for choice in choices if label_of(choice) == label), label)


def suggest(trial: "optuna.Trial", key: str, searched: Any) -> Any:
    """Returns the value that Optuna suggests for a key of the search space; for a choice, its label."""
    if isinstance(searched, Choices):
        return trial.suggest_categorical(key, [label_of(choice) for choice in searched.choices])
    if searched.is_whole:
        return trial.suggest_int(key, searched.low, searched.high, log=searched.log, step=searched.step or 1)
    return trial.suggest_float(key, searched.low, searched.high, log=searched.log, step=searched.step)


def report(trial: "optuna.Trial", epoch: int, figures: dict[str, float]) -> None:
    """Reports an epoch's validation accuracy to Optuna; stops the trial if other trials were better at this epoch.

    Raises:
        optuna.TrialPruned: other trials were better.
    """
    import optuna

    trial.set_user_attr(EPOCHS, epoch)
    if len(trial.study.directions) > 1:
        return  # Optuna prunes only single-objective studies
    trial.report(figures["val_accuracy"], epoch)
    if trial.should_prune():
        raise optuna.TrialPruned(f"stopped after epoch {epoch}: other trials were better at that point")


def record_cost(trial: "optuna.Trial", cost: Cost, tune: TuneParams) -> None:
    """Records the cost of the trial's network.

    Raises:
        TooCostlyError: the cost exceeds a limit of the tune section.
    """
    trial.set_user_attr(LATENCY, cost.latency_ms)
    trial.set_user_attr(SIZE, cost.size_mb)
    for key, cost_value, largest, unit in (
        ("max_latency_ms", cost.latency_ms, tune.max_latency_ms, "ms per photo"),
        ("max_size_mb", cost.size_mb, tune.max_size_mb, "MB"),
    ):
        if largest is not None:
            trial.set_constraint(key, cost_value - largest)
            if cost_value > largest:
                raise TooCostlyError(f"its network needs {cost_value:.1f} {unit}, more than tune.{key}: {largest:g}")


def objective_values(objectives: Sequence[Objective], accuracy: float, cost: Cost | None) -> list[float]:
    """Returns the values of the objectives, in their order."""
    figures = {"accuracy": accuracy}
    if cost is not None:
        figures |= {"latency": cost.latency_ms, "size": cost.size_mb}
    return [figures[objective] for objective in objectives]


def count_ended(study: "optuna.Study") -> int:
    """Counts the trials that use up the budget of tune.trials: all that ended, except interrupted ones."""
    from optuna.trial import TrialState

    return sum(
        trial.state in (TrialState.COMPLETE, TrialState.PRUNED) or _failed_by_itself(trial)
        for trial in study.get_trials(deepcopy=False)
    )


def count_begun(study: "optuna.Study") -> int:
    """Counts the trials of `count_ended` and all running ones, including those of other searches on the same study."""
    from optuna.trial import TrialState

    return count_ended(study) + len(study.get_trials(deepcopy=False, states=[TrialState.RUNNING]))


def accuracies(study: "optuna.Study", objectives: Sequence[Objective]) -> list[float]:
    """Returns the accuracies of the completed trials."""
    from optuna.trial import TrialState

    place = objectives.index("accuracy")
    return [float(trial.values[place]) for trial in study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])]


def describe_trial(trial: "optuna.trial.FrozenTrial", objectives: Sequence[Objective]) -> Trial:
    """Converts an Optuna trial that has ended to its record in study.json."""
    from optuna.trial import TrialState

    states: dict[Any, Any] = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned"}
    failure = "failed" if _failed_by_itself(trial) else "interrupted"
    duration = trial.duration
    return Trial(
        number=trial.number,
        state=states.get(trial.state, failure),
        values=dict(trial.params),
        accuracy=trial.values[objectives.index("accuracy")] if trial.state == TrialState.COMPLETE else None,
        epochs=int(trial.user_attrs.get(EPOCHS, 0)),
        seconds=round(duration.total_seconds(), 3) if duration else 0.0,
        latency_ms=trial.user_attrs.get(LATENCY),
        size_mb=trial.user_attrs.get(SIZE),
        reason=trial.user_attrs.get(REASON),
    )


def pareto_front(study: "optuna.Study", trials: Sequence[Trial]) -> tuple[int, ...]:
    """Returns the numbers of the Pareto-optimal trials, the most accurate first; of equally accurate ones, the fastest.

    Raises:
        SearchError: no trial was completed.
    """
    if not any(trial.state == "complete" for trial in trials):
        reasons = {trial.reason for trial in trials if trial.reason} or {"none started within tune.minutes"}
        raise SearchError("No trial of the search finished: " + "; ".join(sorted(reasons)))
    if len(study.directions) == 1:
        return (study.best_trial.number,)
    best_numbers = {trial.number for trial in study.best_trials}
    front = [trial for trial in trials if trial.number in best_numbers]
    front.sort(key=lambda trial: (-(trial.accuracy or 0), trial.latency_ms or 0, trial.number))
    return tuple(trial.number for trial in front)


def explain_choice(front: Sequence[int], tune: TuneParams) -> str:
    """Explains why train uses the first trial of the front."""
    largest = ((tune.max_latency_ms, "ms per photo"), (tune.max_size_mb, "MB of weights"))
    bounds = [f"{bound:g} {unit}" for bound, unit in largest if bound is not None]
    within = f" within {' and '.join(bounds)}" if bounds else ""
    if len(tune.objectives) == 1:
        return f"Train uses the most accurate trial{within}, trial {front[0] + 1}."
    numbers = ", ".join(str(number + 1) for number in front)
    return (
        f"Trials on the Pareto front of {join_names(tune.objectives)}{within}: {len(front)} "
        f"({numbers}); train uses the most accurate of them, trial {front[0] + 1}."
    )


def _failed_by_itself(trial: "optuna.trial.FrozenTrial") -> bool:
    """Whether a trial failed for a recorded reason; an interrupted trial has none as long as it will be repeated."""
    from optuna.trial import TrialState

    return bool(trial.state == TrialState.FAIL and trial.user_attrs.get(REASON))
