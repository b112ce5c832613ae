"""The rule for the probe: which pretrained networks `train.model.name: auto` chooses from, and how."""

from dataclasses import dataclass
from typing import Final, Literal

from components.contract.errors import ParamsError
from components.contract.layers.backbones import BACKBONES
from components.contract.params.training import TrainParams

Choice = Literal["fastest", "most_accurate"]

_SMALL: Final = ("EfficientNetB0", "EfficientNetV2B0", "MobileNetV2", "MobileNetV3Large")


@dataclass(frozen=True)
class ProbeRule:
    """The settings of a probe.

    Attributes:
        candidates: the backbones and files; the photos are prepared at the largest of their input sizes.
        choose: most_accurate, or fastest (the fastest of the candidates that may be as accurate as the best one).
    """

    candidates: tuple[str, ...]
    choose: Choice


_BALANCED: Final = ProbeRule((*_SMALL, "ResNet50V2"), "most_accurate")
_RULES: Final = {
    "fast": ProbeRule(_SMALL, "fastest"),
    "best": ProbeRule((*_SMALL, "EfficientNetB2", "EfficientNetV2B2", "ResNet50V2"), "most_accurate"),
}


def probe_rule(train: TrainParams) -> ProbeRule:
    """The preset's rule, in which `candidates` and `choose` are replaced if the params set them."""
    rule = _RULES.get(train.preset, _BALANCED)
    return ProbeRule(train.model.candidates or rule.candidates, train.model.choose or rule.choose)


def is_probed(train: TrainParams) -> bool:
    """Whether a probe chooses the network before training."""
    return train.model.name == "auto"


def largest_candidate(train: TrainParams, file_size: int = 0) -> tuple[int, str]:
    """The size of the prepared photos, in pixels, and the reason for it.

    Args:
        train: the section `train`, with `model.name: auto`.
        file_size: the largest image size of the candidates that are files; 0 if there are none.
    """
    sizes = {name: BACKBONES[name].size for name in probe_rule(train).candidates if name in BACKBONES}
    largest = max([*sizes.values(), file_size])
    return (
        largest,
        f"the largest input size of the candidates of train.model.name, {', '.join(probe_rule(train).candidates)}",
    )


def settle_candidates(train: TrainParams, *, num_trials: int = 0) -> tuple[TrainParams, list[str]]:
    """Writes the rule of the preset into the section `train`, and describes it in a sentence.

    Raises:
        ParamsError: the params also ask for a search.
    """
    if not is_probed(train):
        return train, []
    if num_trials:
        raise ParamsError(
            "train.model.name must be a network if tune.trials searches for params; it is auto. Set a network, or "
            "search for one: tune.space: {model.name: [MobileNetV2, EfficientNetB0]}."
        )
    rule = probe_rule(train)
    model = train.model.model_copy(update={"candidates": rule.candidates, "choose": rule.choose})
    words = (
        "the most accurate"
        if rule.choose == "most_accurate"
        else "the fastest of those that may be as accurate as the best"
    )
    return train.model_copy(update={"model": model}), [
        f"train.model.name: training probes {', '.join(rule.candidates)} and uses {words}."
    ]
