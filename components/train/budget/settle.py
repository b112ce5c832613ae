"""Chooses the epochs and views of a training run for its time limit, and records how many epochs actually ran."""

import collections
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from components.contract.artifacts.bundle import BudgetFacts
from components.contract.artifacts.dataset import DatasetInfo
from components.contract.errors import ParamsError
from components.contract.params.pipeline import EvaluateParams
from components.contract.params.training import Phase, TrainParams
from components.train.budget.measurement import measure_inference, measure_phases
from components.train.budget.plan import PhaseCost, Plan, least_seconds, make_plan
from components.train.loop.checkpoint import State
from components.train.loop.deadline import Deadline
from components.train.loop.fit_result import FitResult
from components.train.network.architecture import Network
from components.train.setup import Photographs

log = logging.getLogger(__name__)

RESERVE: Final = 0.05
"""The share of the time limit that the plan leaves unused, because a measurement of a few batches is not exact."""
STARTS: Final = 5.5
"""The time reserved for evaluate and deploy, not counting inference, as a multiple of the time that train takes to
import its libraries and build the network. Both steps and the service also spend most of their time on imports."""
MOST_SECONDS: Final = 120.0
"""The maximum of the time that STARTS reserves: if a busy disk makes one import slow, later imports may still be
fast."""
LEAST_KEPT: Final = 0.5
"""If the last phase trains `blocks` and would keep less than this share of its epochs, it trains FEWER_BLOCKS."""
FEWER_BLOCKS: Final = "blocks 25%"
SEARCHED: Final = EvaluateParams().searched_photos
"""The maximum number of training photos on which the evaluate step runs the model."""
SCORED_AGAIN: Final = 2_000
"""The number of further photos on which the evaluate step runs the model: robustness, reference and golden photos."""
EXPORTS: Final = 1.5
"""The time of the final export, relative to the export before training, which compares fewer photos."""


@dataclass(frozen=True)
class Settled:
    """The training run that a time limit allows.

    Attributes:
        params: the params without the limit; training with them again produces the same model.
        deadline: the deadline for the training.
        facts: the facts about the time limit that the bundle records; None without a time limit.
    """

    params: TrainParams
    deadline: Deadline
    facts: BudgetFacts | None


def settle_budget(
    params: TrainParams,
    network: Network,
    photos: Photographs,
    info: DatasetInfo,
    *,
    checkpoint: State | None,
    elapsed_seconds: Callable[[], float],
    export_seconds: float,
    startup_seconds: float,
) -> Settled:
    """Plans the longest training run that fits the time limit; without a limit, the params are unchanged.

    Args:
        params: the resolved train section.
        network: the network with its weights loaded; not modified.
        photos: the photos for training and validation.
        info: describes the data set.
        checkpoint: the checkpoint of the same training run if it was interrupted; its plan is kept.
        elapsed_seconds: returns the seconds since the start of the run.
        export_seconds: the time that an export of the network took.
        startup_seconds: the time from the start of the step until its network was built.

    Raises:
        ParamsError: the limit is too short for one epoch.
    """
    if params.minutes is None:
        return Settled(params, Deadline(), None)
    minutes, limit = params.minutes, 60 * params.minutes
    held_out = (split for split in info.counts if split != "train")
    num_scored = min(info.num_images("train"), SEARCHED) + sum(map(info.num_images, held_out)) + SCORED_AGAIN
    inference_seconds = measure_inference(network, photos, params) * num_scored
    later = min(STARTS * startup_seconds, MOST_SECONDS) + EXPORTS * export_seconds + inference_seconds
    if checkpoint is not None:
        settled = TrainParams.model_validate_json(json.dumps(checkpoint.facts["params"]))
        text = "The training continues with its original plan."
        log.info("%s", text)
        deadline = Deadline(limit - elapsed_seconds() - later)
        return Settled(settled, deadline, BudgetFacts(minutes=minutes, estimated_seconds=None, plan=text))

    def plan_training(
        params: TrainParams, measured: Sequence[PhaseCost] = ()
    ) -> tuple[Plan | None, Sequence[PhaseCost]]:
        costs = measure_phases(network, photos, params, measured)
        seconds = (1 - RESERVE) * limit - elapsed_seconds() - later
        return make_plan(costs, [phase.epochs for phase in params.all_phases], params.views, seconds), costs

    plan, costs = plan_training(params)
    narrower = train_fewer_blocks(params)
    if narrower is not None and (kept := kept_share(plan, params)) < LEAST_KEPT:
        narrower_plan, narrower_costs = plan_training(narrower, costs[:-1])  # only the last phase differs
        if kept_share(narrower_plan, narrower) > kept:
            log.info("The last phase trains %s instead of blocks, so that the limit allows more epochs.", FEWER_BLOCKS)
            plan, costs, params = narrower_plan, narrower_costs, narrower
    before = elapsed_seconds()
    if plan is None:
        raise _too_small(minutes, before, costs, later)
    text = describe_plan(plan, params, before, later)
    log.info("%s", text)
    facts = BudgetFacts(minutes=minutes, estimated_seconds=before + plan.seconds + later, plan=text)
    return Settled(apply_plan(params, plan), Deadline(limit - elapsed_seconds() - later), facts)


def train_fewer_blocks(params: TrainParams) -> TrainParams | None:
    """Returns the params with FEWER_BLOCKS in the last phase; None if that phase does not train `blocks`."""
    *earlier, last = params.all_phases
    if last.trainable != "blocks":
        return None
    update = {"trainable": FEWER_BLOCKS}
    if params.phases == "auto":
        return params.model_copy(update=update)
    return params.model_copy(update={"phases": (*earlier, last.model_copy(update=update))})


def kept_share(plan: Plan | None, params: TrainParams) -> float:
    """Returns the share of the last phase's epochs that a plan keeps; 0 without a plan, or without that phase."""
    phases = params.all_phases
    return plan.epochs[-1] / phases[-1].epochs if plan and len(plan.epochs) == len(phases) else 0.0


def apply_plan(params: TrainParams, plan: Plan) -> TrainParams:
    """Returns the params with the epochs and views of a plan, and without a time limit."""
    updates: dict[str, object] = {"views": plan.views, "minutes": None}
    if params.phases == "auto":
        return params.model_copy(update=updates | {"epochs": plan.epochs[0]})
    pairs = zip(params.all_phases, plan.epochs, strict=False)  # the plan may leave out the last phases
    phases = tuple(phase.model_copy(update={"epochs": epochs}) for phase, epochs in pairs)
    return params.model_copy(update=updates | {"phases": phases})


def record_epochs(params: TrainParams, result: FitResult) -> TrainParams:
    """Returns the params with the epochs that actually ran, so that training with them ends after the same epoch.

    Args:
        params: the params of the training run.
        result: the result of the training run; its last phase was cut short, and the phases after it did not run.
    """
    num_epochs = collections.Counter(int(number) for number in result.history["phase"])
    last = max(num_epochs)

    def shorten(phase: Phase) -> dict[str, int | None]:
        is_whole = num_epochs[last] == phase.epochs
        return {
            "epochs": num_epochs[last],
            "schedule_epochs": phase.schedule_epochs if is_whole else phase.planned_epochs,
        }

    if params.phases == "auto":
        return params.model_copy(update=shorten(params))
    *earlier, cut = params.all_phases[:last]
    return params.model_copy(update={"phases": (*earlier, cut.model_copy(update=shorten(cut)))})


def describe_plan(plan: Plan, params: TrainParams, before: float, later: float) -> str:
    """Describes the plan and its time estimate in a few sentences."""
    phases = params.all_phases
    parts = [
        _count(epochs, phase.epochs if len(phases) == len(plan.epochs) else None) + f" (trainable: {_layers(phase)})"
        for epochs, phase in zip(plan.epochs, phases, strict=False)
    ]
    views = f", {_number(plan.views, params.views)} views" if plan.views != params.views else ""
    dropped = f", without the phase (trainable: {_layers(phases[-1])})" if len(plan.epochs) < len(phases) else ""
    total = before + plan.seconds + later
    at_most = "at most " if any(phase.early_stopping for phase in phases) else ""
    return (
        f"train.minutes: {params.minutes:g} allows {' and '.join(parts)}{views}{dropped}. Estimate for the run: "
        f"{at_most}{total / 60:.1f} minutes, of which {before:.0f} s have passed, {plan.seconds:.0f} s are for "
        f"training and {later:.0f} s are for export, evaluation and service."
    )


def _count(epochs: int, wanted: int | None) -> str:
    return f"{_number(epochs, wanted)} {'epoch' if epochs == 1 and wanted in (None, 1) else 'epochs'}"


def _number(number: int, wanted: int | None) -> str:
    return str(number) if wanted in (None, number) else f"{number} of {wanted}"


def _layers(phase: Phase) -> str:
    trainable = phase.trainable
    return trainable if isinstance(trainable, str) else "some layers"


def _too_small(minutes: float, before: float, costs: Sequence[PhaseCost], later: float) -> ParamsError:
    least = least_seconds(costs)
    needed = (before + least + later) / (1 - RESERVE) / 60
    return ParamsError(
        f"train.minutes must be enough for one epoch: about {needed + 0.05:.1f} minutes on this machine; it is "
        f"{minutes:g}. {before:.0f} s passed before the training, the shortest training takes {least:.0f} s, and "
        f"export, evaluation and service take {later:.0f} s. Set a higher value, or null for no limit."
    )
