"""Presets: which params they set, which explicit values they keep, and which settings contradict them."""

from typing import Any

import pytest

from components.contract.errors import ParamsError
from components.contract.params.pipeline import dump_section, json_schema, load_params, parse_section
from components.contract.params.resolve import Resolution, resolve
from components.contract.params.training import PRESET_KEYS, EarlyStopping, TrainParams

PHOTO = (400, 533)


def settle(*settings: str, native_size: tuple[int, int] = PHOTO) -> Resolution:
    params = load_params(None, ("data.uri=photos", *settings))
    return resolve(params, native_size=native_size, data_name="photos")


def differing(train: TrainParams) -> dict[str, Any]:
    return {key: getattr(train, key) for key in ("mixup", "label_smoothing", "ema", "views", "early_stopping")}


def test_the_default_preset_for_photos_is_balanced() -> None:
    resolution = settle()
    train = resolution.params.train
    assert differing(train) == {
        "mixup": 0.2,
        "label_smoothing": 0.1,
        "ema": 0.99,
        "views": 5,
        "early_stopping": None,
    }
    head, blocks = train.all_phases
    assert (head.trainable, head.epochs, head.optimizer, head.learning_rate) == ("head", 3, "adam", 0.001)
    assert (blocks.trainable, blocks.epochs, blocks.optimizer, blocks.learning_rate) == ("blocks", 10, "adamw", 0.0003)
    assert {head.mixup, blocks.mixup, head.early_stopping, blocks.early_stopping} == {0.2, None}
    text = "\n".join(resolution.decisions)
    assert "train.preset: auto became balanced" in text
    for key in ("mixup", "label_smoothing", "ema", "views", "early_stopping", "phases"):
        assert f"train.{key}: balanced chose" in text


def test_fast_trains_fewer_blocks_for_fewer_epochs_than_balanced() -> None:
    train = settle("train.preset=fast").params.train
    head, blocks = train.all_phases
    assert (head.trainable, head.epochs, blocks.trainable, blocks.epochs) == ("head", 2, "blocks 25%", 6)
    balanced = settle().params.train
    assert differing(train) == differing(balanced) | {"views": 2}
    assert blocks.trained_share < balanced.all_phases[1].trained_share


@pytest.mark.parametrize(
    ("setting", "key", "value"),
    [
        ("train.mixup=0", "mixup", 0.0),
        ("train.label_smoothing=0", "label_smoothing", 0.0),
        ("train.ema=null", "ema", None),
        ("train.views=3", "views", 3),
        ("train.early_stopping.patience=4", "early_stopping", EarlyStopping(patience=4)),
        ("train.swa=0.3", "ema", None),
    ],
)
def test_each_choice_of_a_preset_can_be_overridden_individually(setting: str, key: str, value: object) -> None:
    plain, changed = differing(settle().params.train), differing(settle(setting).params.train)
    assert changed == plain | {key: value}
    if key == "early_stopping":
        assert {phase.early_stopping for phase in settle(setting).params.train.all_phases} == {value}


def test_explicit_values_apply_to_each_phase() -> None:
    head, blocks = settle("train.epochs=2", "train.learning_rate=0.002", "train.optimizer=sgd").params.train.all_phases
    assert [(phase.epochs, phase.learning_rate, phase.optimizer) for phase in (head, blocks)] == [(2, 0.002, "sgd")] * 2
    head, blocks = settle("train.epochs=30").params.train.all_phases
    assert (head.epochs, blocks.epochs) == (3, 30)


def test_an_explicit_choice_of_trainable_layers_results_in_one_phase() -> None:
    train = settle("train.trainable=last 4", "train.preset=best").params.train
    assert [phase.trainable for phase in train.all_phases] == ["last 4"]
    assert train.views == 8


def test_auto_means_the_same_as_an_absent_key() -> None:
    keys = ("epochs", "optimizer", "learning_rate", "mixup", "early_stopping", "label_smoothing", "ema", "views")
    assert settle(*(f"train.{key}=auto" for key in keys)) == settle()


@pytest.mark.parametrize("settings", [(), ("train.preset=best",), ("train.model.layers=[Flatten]",)])
def test_resolving_a_resolved_section_changes_nothing(settings: tuple[str, ...]) -> None:
    train = settle(*settings).params.train
    again = parse_section(TrainParams, dump_section(train))
    assert again == train
    params = load_params(None, ("data.uri=photos",)).model_copy(update={"train": again})
    assert resolve(params, native_size=PHOTO, data_name="photos").params.train == train


@pytest.mark.parametrize(
    "settings",
    [
        ("train.phases=[{trainable: head}]",),
        ("train.model.layers=[Flatten]",),
        ("train.model.name=MobileNetV2", "train.model.weights=none"),
        ("train.trainable=none", "train.model.name=MobileNetV2"),
        ("tune.trials=3",),
        ("train.preset=none",),
    ],
)
def test_without_a_preset_the_values_are_unchanged(settings: tuple[str, ...]) -> None:
    train = settle(*settings).params.train
    assert differing(train) == differing(TrainParams())
    assert train.preset == "none"
    assert len(train.all_phases) == 1


def test_no_preset_is_applied_to_tiny_pictures() -> None:
    train = settle(native_size=(8, 8)).params.train
    assert differing(train) == differing(TrainParams())
    assert train.phases == "auto"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("train.phases=[{epochs: 3}]", "best cannot set the phases: train.phases sets them. Set train.preset: none"),
        ("train.model.layers=[Flatten]", "the network is not pretrained"),
        ("train.trainable=none", "nothing is trained"),
        ("tune.trials=2", "train.preset must be auto or none if tune.trials searches for params; it is best"),
    ],
)
def test_params_that_contradict_a_preset_are_refused(setting: str, message: str) -> None:
    with pytest.raises(ParamsError, match=r"train\.preset") as error:
        settle("train.preset=best", setting)
    assert message in str(error.value)


def test_a_search_does_not_accept_a_time_limit_for_training() -> None:
    with pytest.raises(ParamsError, match=r"train\.minutes must be null if tune\.trials .* it is 5\. .*tune\.minutes"):
        settle("train.minutes=5", "tune.trials=2")


@pytest.mark.parametrize("settings", [(), ("train.preset=fast",), ("train.model.layers=[Flatten]",)])
def test_a_time_limit_is_kept_and_does_not_affect_the_other_resolved_values(settings: tuple[str, ...]) -> None:
    train = settle(*settings).params.train
    limited = settle(*settings, "train.minutes=5").params.train
    assert limited == train.model_copy(update={"minutes": 5.0})


def test_the_error_for_an_unknown_preset_lists_the_presets() -> None:
    with pytest.raises(ParamsError, match=r"train\.preset: .*'fast', 'balanced' or 'best'"):
        settle("train.preset=better")


def test_the_schema_offers_auto_in_addition_to_the_values_of_each_key() -> None:
    properties = json_schema()["$defs"]["TrainParams"]["properties"]
    assert {properties[key]["default"] for key in PRESET_KEYS} == {"auto"}
    assert properties["optimizer"]["enum"] == ["auto", "adam", "adamw", "sgd", "rmsprop"]
    assert [option.get("const", option.get("type")) for option in properties["ema"]["anyOf"]] == [
        "auto",
        "number",
        "null",
    ]
    assert properties["views"]["anyOf"][1]["maximum"] == 32
