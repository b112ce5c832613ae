"""The space of a search: which one is refused, and what photos and phases it asks for."""

import pytest

from components.contract.errors import ParamsError
from components.contract.params.model import ModelParams
from components.contract.params.pipeline import load_params
from components.contract.params.resolve import resolve
from components.contract.params.training import Phase
from components.contract.params.tuning import Choices, Range, Space, auto_space, check_space, with_values
from tests.unit.train.tuning.searches import LAYERS, TRAIN


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({}, "must name at least one key"),
        ({"learning_rat": Range(low=1, high=2)}, "train has no learning_rat; there are "),
        ({"epochs": Range(low=0, high=3)}, "train cannot have epochs=0: epochs: expected greater than or equal to 1"),
        ({"optimizer": Choices(choices=("adam", "adm"))}, "train cannot have optimizer=adm"),
        ({"model.layers[9].Dropout.rate": Range(low=0.0, high=0.5)}, "train has no model.layers[9].Dropout.rate"),
        ({"model": Choices(choices=("layers", "pretrained"))}, "train cannot have model=layers: model: expected"),
        ({"phases": Choices(choices=(1, 2))}, "train cannot have phases=1: phases"),
        (
            {"image_size": Choices(choices=(8, 32))},
            "image_size must not be larger than the photos are prepared, 16 × 16",
        ),
        ({"model.layers[2].Dropout.rat": Range(low=0.0, high=0.5)}, "rat: unknown key (did you mean rate?)"),
    ],
)
def test_a_space_that_cannot_be_is_refused_before_any_trial(space: Space, message: str) -> None:
    with pytest.raises(ParamsError) as error:
        check_space(TRAIN, space, (16, 16))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{learning_rate: {low: 3, high: 1}}", "low must be below high; found 3 and 1"),
        ("{learning_rate: {low: 1, high: 1}}", "low must be below high; found 1 and 1"),
        ("{learning_rate: {low: 0, high: 1, log: true}}", "must begin above 0; found 0"),
        ("{learning_rate: {low: 1, high: 4, log: true, step: 1}}", "either log or step; found both"),
        ("{optimizer: {choices: [adam]}}", "choices"),
    ],
)
def test_a_range_that_cannot_be_is_refused_when_params_are_read(text: str, message: str) -> None:
    with pytest.raises(ParamsError) as error:
        load_params(None, ("data.uri=x", f"tune.space={text}"))
    assert message in str(error.value)


@pytest.mark.parametrize("objectives", ["[]", "[latency]", "[accuracy, accuracy]"])
def test_objectives_that_cannot_be_are_refused(objectives: str) -> None:
    with pytest.raises(ParamsError, match="objectives must hold accuracy, and each of accuracy, latency and size"):
        load_params(None, ("data.uri=x", f"tune.objectives={objectives}"))


@pytest.mark.parametrize(
    ("settings", "size"),
    [
        (("tune.space={image_size: {choices: [160, 192]}}",), 192),
        (("tune.space={image_size: {low: 96, high: 256, step: 32}}", "train.image_size=160"), 256),
        (("tune.space={model.name: {choices: [MobileNetV2, Xception]}}", "train.model.name=MobileNetV2"), 299),
        (
            (
                "tune.space={model.name: {choices: [MobileNetV2, Xception]}}",
                "train.model.name=Xception",
                "preprocess.image_size=240",
            ),
            240,
        ),
        (("train.image_size=160", "tune.trials=0"), 160),
    ],
)
def test_photos_are_prepared_at_the_largest_size_that_is_needed(settings: tuple[str, ...], size: int) -> None:
    params = load_params(None, ("data.uri=x", "tune.trials=3", *settings))
    resolved = resolve(params, native_size=(533, 400), data_name="x").params
    assert resolved.preprocess.image_size == size
    assert resolved.train.input_size((size, size)) == (
        (160, 160) if "train.image_size=160" in settings else (size, size)
    )


def test_a_network_cannot_see_more_than_is_prepared() -> None:
    params = load_params(None, ("data.uri=x", "train.image_size=320", "preprocess.image_size=224"))
    with pytest.raises(
        ParamsError, match=r"train\.image_size must not be larger than the photos are prepared, 224 × 224"
    ):
        resolve(params, native_size=(533, 400), data_name="x")


def test_a_value_of_a_phase_is_set_in_its_phase() -> None:
    phased = TRAIN.model_copy(update={"phases": (Phase(epochs=1), Phase(epochs=2))})
    assert with_values(phased, {"phases[1].learning_rate": 0.5}).all_phases[1].learning_rate == 0.5
    with pytest.raises(ParamsError, match=r"learning_rate belongs to a phase, .* such as phases\[1\]\.learning_rate"):
        with_values(phased, {"learning_rate": 0.5})


def test_the_automatic_space_fits_every_kind_of_model() -> None:
    phased = TRAIN.model_copy(update={"phases": (Phase(epochs=1), Phase(epochs=2))})
    head = TRAIN.model_copy(update={"model": ModelParams(kind="pretrained", name="MobileNetV2", head=LAYERS[1:])})
    for train in (TRAIN, phased, head):
        space = auto_space(train)
        check_space(train, space, (16, 16))
        assert any(key.endswith("learning_rate") for key in space)
        assert any(key.endswith("Dropout.rate") for key in space)
