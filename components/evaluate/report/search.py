"""The report's section on the search that found the params."""

from collections import Counter
from statistics import median
from typing import Final

from components.contract.artifacts.study import StudyInfo, Trial
from components.contract.text import pluralize
from components.contract.tracking.run import flatten
from components.evaluate.formatting import percent

MAX_TRIALS: Final = 5
MAX_KEYS: Final = 4


def search_sentences(study: StudyInfo) -> list[str]:
    """Describes the trials, the chosen trial, and the params that mattered most, in sentences."""
    states = Counter[str](trial.state for trial in study.trials)
    outcomes = [
        f"{states[state]} {words}"
        for state, words in (
            ("complete", "completed"),
            ("pruned", "stopped early"),
            ("failed", "failed"),
            ("interrupted", "interrupted and repeated"),
        )
        if states[state]
    ]
    sentences = [
        f"{pluralize(len(study.trials), 'training run')} {'was' if len(study.trials) == 1 else 'were'} "
        f"compared on the validation photos: {', '.join(outcomes)}."
    ]
    top_trials = best_trials(study)
    if top_trials:
        best = top_trials[0]
        median_accuracy = median(trial.accuracy for trial in study.trials if trial.accuracy is not None)
        sentences.append(
            f"Trial {best.number + 1} was chosen, with an accuracy of {percent(best.accuracy)}; the median was "
            f"{percent(median_accuracy)}. This model was trained with the params of that trial."
        )
    if len(study.objectives) > 1:
        sentences.append(study.choice)
    weights = sorted(study.importance.items(), key=lambda item: -item[1])[:MAX_KEYS]
    if weights:
        shares = ", ".join(f"{key} {percent(weight)}" for key, weight in weights)
        sentences.append(f"Params that contributed most to the differences in accuracy: {shares}.")
    return sentences


def best_trials(study: StudyInfo) -> list[Trial]:
    """The chosen trial, followed by the next most accurate ones."""
    scored_trials = [trial for trial in study.trials if trial.accuracy is not None]
    return sorted(scored_trials, key=lambda trial: (trial.number != study.best, -(trial.accuracy or 0)))[:MAX_TRIALS]


def trial_row(trial: Trial) -> tuple[str, str, str, str]:
    """The table cells of a trial: its number (counted from 1), accuracy, epochs and params."""
    values = ", ".join(f"{key} {_short(value)}" for key, value in flatten(trial.values).items())
    return str(trial.number + 1), percent(trial.accuracy), str(trial.epochs), values


def _short(value: str) -> str:
    """Rounds a decimal number to three significant digits; returns any other string unchanged."""
    try:
        return value if value.isdigit() else f"{float(value):.3g}"
    except ValueError:
        return value
