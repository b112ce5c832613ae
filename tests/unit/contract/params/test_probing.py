"""The probe rule of each preset, and the params that a probe accepts."""

from pathlib import Path

import pytest

from components.contract.errors import ParamsError
from components.contract.layers.backbones import BACKBONES
from components.contract.params.pipeline import load_params
from components.contract.params.probing import probe_rule
from components.contract.params.resolve import Resolution, resolve
from components.train.network.candidates import inspect_initial_model


def settle(*settings: str) -> Resolution:
    params, facts = inspect_initial_model(load_params(None, ("data.uri=x", "train.model.name=auto", *settings)))
    return resolve(params, native_size=(400, 533), data_name="x", initial_model=facts)


@pytest.mark.parametrize(
    ("preset", "choose", "image_size"),
    [("fast", "fastest", 224), ("balanced", "most_accurate", 224), ("best", "most_accurate", 260)],
)
def test_each_preset_has_a_probe_rule(preset: str, choose: str, image_size: int) -> None:
    resolution = settle(f"train.preset={preset}")
    train = resolution.params.train
    assert train.model.choose == choose
    assert train.model.candidates is not None
    assert max(BACKBONES[name].size for name in train.model.candidates) == image_size
    assert resolution.params.preprocess.image_size == image_size
    assert "MobileNetV2" in train.model.candidates
    assert any(decision.startswith("train.model.name: training probes") for decision in resolution.decisions)
    assert probe_rule(train).candidates == train.model.candidates


def test_resolved_candidates_are_kept() -> None:
    params = settle("train.preset=fast").params
    assert resolve(params, native_size=(400, 533), data_name="x").params == params


def test_explicit_params_override_the_probe_rule_of_the_preset() -> None:
    train = settle("train.preset=fast", "train.model.candidates=[VGG16, Xception]", "train.model.choose=most_accurate")
    assert train.params.train.model.candidates == ("VGG16", "Xception")
    assert train.params.train.model.choose == "most_accurate"
    assert train.params.preprocess.image_size == 299


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("train.model.weights=imagenet",), "name: auto chooses among pretrained networks"),
        (("train.model.head=imagenet",), "each with its default weights and a new head"),
        (("train.model.path=model.keras",), "name: auto chooses among pretrained networks"),
        (("train.model.name=VGG16", "train.model.candidates=[VGG16]"), "candidates and choose require name: auto"),
        (("train.model.candidates=[]",), "train.model.candidates: "),
        (
            ("train.model.candidates=[MobilNetV2]",),
            "there is no backbone or file MobilNetV2 (did you mean MobileNetV2?)",
        ),
        (("tune.trials=3",), "train.model.name must be a network if tune.trials searches for params; it is auto."),
    ],
)
def test_invalid_settings_are_rejected(settings: tuple[str, ...], message: str) -> None:
    with pytest.raises(ParamsError) as error:
        settle(*settings)
    assert message in str(error.value)


def test_a_candidate_file_without_a_network_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "notes.keras").write_text("no model")
    with pytest.raises(Exception, match=r"notes\.keras"):
        settle(f"train.model.candidates=[{tmp_path / 'notes.keras'}]")
