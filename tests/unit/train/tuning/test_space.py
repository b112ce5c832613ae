"""The search space: which spaces are refused, which photo size a space needs, and how values of phases are set."""

import pytest

from components.contract.errors import ParamsError
from components.contract.params.model import ModelParams
from components.contract.params.pipeline import load_params
from components.contract.params.resolve import resolve
from components.contract.params.training import Phase
from components.contract.params.tuning import Choices, Range, Space, auto_space, check_space, with_values
from components.train.tuning.trials import choice_of, label_of
from tests.unit.train.tuning.searches import LAYERS, TRAIN


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({}, "must have at least one key"),
        (
            {"learning_rat": Range(low=1, high=2)},
            "learning_rat: train has no such key (did you mean learning_rate?)",
        ),
        (
            {"epochs": Range(low=0, high=3)},
            "train does not accept epochs=0: epochs: expected greater than or equal to 1",
        ),
        ({"optimizer": Choices(choices=("adam", "adm"))}, "train does not accept optimizer=adm"),
        (
            {"model.layers[9].Dropout.rate": Range(low=0.0, high=0.5)},
            "layers[9].Dropout.rate: train has no such key",
        ),
        ({"model": Choices(choices=("layers", "pretrained"))}, "train does not accept model=layers: model: expected"),
        ({"phases": Choices(choices=(1, 2))}, "train does not accept phases=1: phases"),
        (
            {"image_size": Choices(choices=(8, 32))},
            "tune.space.image_size: the value must not exceed the size of the prepared photos, 16 × 16",
        ),
        ({"model.layers[2].Dropout.rat": Range(low=0.0, high=0.5)}, "rat: unknown key (did you mean rate?)"),
    ],
)
def test_an_invalid_space_is_rejected_before_any_trial(space: Space, message: str) -> None:
    with pytest.raises(ParamsError) as error:
        check_space(TRAIN, space, (16, 16))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{learning_rate: {low: 3, high: 1}}", "tune.space.learning_rate: low must be below high; found 3 and 1"),
        ('{"model.head[1].Dropout.rate": {low: 3, high: 1}}', "tune.space.model.head[1].Dropout.rate: low must be"),
        ("{learning_rate: {lo: 1, high: 2}}", "tune.space.learning_rate.lo: unknown key (did you mean low?)"),
        ("{optimizer: {choice: [adam, sgd]}}", "tune.space.optimizer: expected {low: …, high: …} or a list of choices"),
        ("{optimizer: adam}", 'tune.space.optimizer: expected {low: …, high: …} or a list of choices; found "adam"'),
        ("{optimizer: null}", "tune.space.optimizer: expected {low: …, high: …} or a list of choices; found null"),
        ("autom", "tune.space: expected 'auto'; found \"autom\" (did you mean auto?)"),
        ("[learning_rate]", "tune.space: expected an object"),
        ("{optimizer: [adam]}", 'tune.space.optimizer.choices: expected a length of at least 2; found ["adam"]'),
        ("{learning_rate: {low: 1, high: 1}}", "low must be below high; found 1 and 1"),
        ("{learning_rate: {low: 0, high: 1, log: true}}", "must start above 0; found 0"),
        ("{learning_rate: {low: 1, high: 4, log: true, step: 1}}", "either log or step; found both"),
        ("{optimizer: {choices: [adam]}}", "choices"),
    ],
)
def test_an_invalid_range_is_rejected_when_params_are_read(text: str, message: str) -> None:
    with pytest.raises(ParamsError) as error:
        load_params(None, ("data.uri=x", f"tune.space={text}"))
    assert message in str(error.value)


def test_choices_in_the_short_form_can_be_objects() -> None:
    text = "{augmentation: [none, {rotation_degrees: 20}], trainable: [head, [block4_*]], epochs: [1, 2]}"
    space = load_params(None, ("data.uri=x", f"tune.space={text}")).tune.space
    assert isinstance(space, dict)
    augmentation = space["augmentation"]
    assert augmentation == Choices(choices=("none", {"rotation_degrees": 20}))
    check_space(TRAIN, {"augmentation": augmentation}, (16, 16))
    labels = [label_of(choice) for choice in augmentation.choices]
    assert labels == ["none", '{"rotation_degrees": 20}']
    assert [choice_of(label, augmentation) for label in labels] == list(augmentation.choices)
    trained = with_values(TRAIN, {"augmentation": choice_of(labels[1], augmentation)})
    assert trained.augmentation_params.rotation_degrees == 20
    with pytest.raises(ParamsError, match=r"augmentation\.rotation_degree: unknown key \(did you mean rotation"):
        check_space(TRAIN, {"augmentation": Choices(choices=("none", {"rotation_degree": 20}))}, (16, 16))


@pytest.mark.parametrize("objectives", ["[]", "[latency]", "[accuracy, accuracy]"])
def test_invalid_objectives_are_rejected(objectives: str) -> None:
    with pytest.raises(ParamsError, match="objectives must contain accuracy, and each of accuracy, latency and size"):
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


def test_an_input_size_cannot_exceed_the_prepared_size() -> None:
    params = load_params(None, ("data.uri=x", "train.image_size=320", "preprocess.image_size=224"))
    with pytest.raises(
        ParamsError, match=r"train\.image_size must not exceed the size of the prepared photos, 224 × 224"
    ):
        resolve(params, native_size=(533, 400), data_name="x")


def test_a_searched_value_of_a_phase_is_set_in_that_phase() -> None:
    phased = TRAIN.model_copy(update={"phases": (Phase(epochs=1), Phase(epochs=2))})
    assert with_values(phased, {"phases[1].learning_rate": 0.5}).all_phases[1].learning_rate == 0.5
    with pytest.raises(
        ParamsError, match=r"space\.learning_rate: train\.phases is set, so the key must .* such as phases\[1\]\.learn"
    ):
        with_values(phased, {"learning_rate": 0.5})


def test_the_automatic_space_fits_every_kind_of_model() -> None:
    phased = TRAIN.model_copy(update={"phases": (Phase(epochs=1), Phase(epochs=2))})
    head = TRAIN.model_copy(update={"model": ModelParams(kind="pretrained", name="MobileNetV2", head=LAYERS[1:])})
    for train in (TRAIN, phased, head):
        space = auto_space(train)
        check_space(train, space, (16, 16))
        assert any(key.endswith("learning_rate") for key in space)
        assert any(key.endswith("Dropout.rate") for key in space)
