"""params.yaml, --set and JSON sections: which values are accepted, and the errors for all other values."""

from pathlib import Path

import pytest

from components.contract.errors import DarkroomError, ModelError, ParamsError
from components.contract.params.augmentation import AUGMENTATION_PRESETS
from components.contract.params.base import MIN_SIZE
from components.contract.params.pipeline import Params, PreprocessParams, dump_section, load_params, parse_section
from components.contract.params.resolve import SMALL_CNN, InitialModelFacts, Resolution, resolve, resolve_train
from components.contract.params.training import TrainParams

ROOT = Path(__file__).parents[4]


def resolve_params(*overrides: str, native_size: tuple[int, int] = (8, 8)) -> Resolution:
    return resolve(load_params(ROOT / "params.yaml", overrides), native_size=native_size, data_name="digits")


def test_params_yaml_contains_the_defaults() -> None:
    committed = load_params(ROOT / "params.yaml").model_dump()
    defaults = Params.model_validate({"data": {"uri": "data/digits"}}).model_dump()
    for section in committed.keys() | defaults.keys():
        assert committed[section] == defaults[section], f"section {section}: params.yaml must contain the defaults"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.epoch=3", "train.epoch: unknown key (did you mean epochs?)."),
        ("trian.epochs=3", "trian: unknown key (did you mean train?)."),
        ("train.model.name=MobilNetV2", 'found "MobilNetV2" (did you mean MobileNetV2?)'),
        ("train.optimizer=adamm", 'found "adamm" (did you mean adam?)'),
        ("train.learning_rate=0,001", 'found "0,001" (write 0.001)'),
        ("train.epochs=5.0", "found 5.0 (write 5)"),
        ('train.epochs="5"', 'found "5" (write 5)'),
        ("train.epochs=five", 'expected a valid integer; found "five".'),
        ("train.train_batch_norm=yes", 'found "yes" (write true)'),
        ("train.train_batch_norm=OFF", 'found "OFF" (write false)'),
        ("train.early_stopping=None", 'found "None" (write null)'),
        ("train.early_stopping=false", "found false (write null)"),
        ("preprocess.image_size=224x224", 'found "224x224" (write [224, 224])'),
        ("preprocess.image_size=(224, 160)", 'found "(224, 160)" (write [224, 160])'),
        ("epochs=5", "found 'epochs=5' (did you mean train.epochs=5?)"),
        ("epoch=5", "found 'epoch=5'."),
        ("train.model.nmae=MobileNetV2", "train.model.nmae: unknown key (did you mean name?)."),
        ("train.epochs=0", "train.epochs: expected greater than or equal to 1; found 0."),
        ("train.epochs=many", 'train.epochs: expected a valid integer; found "many".'),
        ("train.epochs=2.5", "train.epochs: expected a valid integer; found 2.5."),
        ("train.batch_size=true", "train.batch_size: expected a valid integer; found true."),
        ("train.learning_rate=.nan", "train.learning_rate: expected a finite number; found NaN."),
        ("train.augmentation=heavy", "train.augmentation: expected 'auto', 'none', 'light', 'medium' or 'strong'"),
        ("train.augmentation={rotaton: 3}", "train.augmentation.rotaton: unknown key (did you mean rotation_degrees?)"),
        ("train.early_stopping.patience=0", "train.early_stopping.patience: expected greater than or equal to 1"),
        ("preprocess.image_size=large", "preprocess.image_size: expected auto, a number of pixels from 4 to 2048"),
        (
            "preprocess.pixel_range=0",
            "preprocess.pixel_range: expected auto, the value of white (1 to 65535)",
        ),
        ("preprocess.pixel_range=65536", "preprocess.pixel_range: expected auto"),
        ("preprocess.pixel_range=[300, 300]", "or [black, white] with black below white; found [300, 300]."),
        ("preprocess.pixel_range=[0, 300, 400]", "preprocess.pixel_range: expected auto"),
        ("preprocess.pixel_range=[-32769, 0]", "preprocess.pixel_range: expected auto"),
        ("preprocess.image_size=[32]", "or [height, width]; found [32]."),
        ("preprocess.image_size=3", "preprocess.image_size: expected auto, a number of pixels from 4 to 2048"),
        ("data.uri=3", "data.uri: expected a valid string; found 3."),
        ("train.minutes=0", "train.minutes: expected greater than 0; found 0."),
        ("train.minutes=-5", "train.minutes: expected greater than 0; found -5."),
        ("train.minutes=soon", "train.minutes: expected a valid number"),
        ("train.model.kind=pretrained", "train.model: kind pretrained needs a name, one of ConvNeXtSmall, "),
        ("train.model.kind=layers", "train.model: kind layers needs a list `layers`."),
        ("train.model.weights=none", "train.model: weights needs a name"),
        ("train.model.layers=[]", "train.model: layers must have at least one layer"),
        ("train.model.layers=[Conv3]", "train.model.layers[0]: unknown layer Conv3 (did you mean Conv2D?)."),
        ("train.model.layers=[Dense]", "train.model.layers[0]: Dense: units: required, but missing."),
        ("train.model.layers=[{Dense: {units: ten}}]", 'Dense: units: expected a valid integer; found "ten".'),
        ("train.model.layers=[{Dense: {unit: 10}}]", "unit: unknown key (did you mean units?)"),
        ("train.model.layers=[{Dense: 10}]", "expected the arguments of Dense as key: value; found 10."),
        ("train.model.layers=[3]", "train.model.layers[0]: expected one layer, such as Flatten"),
        ("deploy.model_name=My Model", "deploy.model_name: expected"),
        ("train.epochs", "--set needs section.key=value"),
        ("epochs=3", "--set needs section.key=value"),
        ("train.batch_size.x=3", "--set train.batch_size.x: train.batch_size is the value 32 and has no keys"),
        ("train.model={a: [}", "--set train.model: the value must be YAML"),
    ],
)
def test_an_invalid_value_is_rejected_with_its_key(override: str, message: str) -> None:
    with pytest.raises(ParamsError) as error:
        load_params(ROOT / "params.yaml", (override,))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a list", "must have the sections data, preprocess"),
        ("train: {", "is not valid YAML"),
        ("train: {}", "data: required, but missing"),
        ("data: {uri: x}\ntrain: {epochs: 1}\ntrain: {epochs: 2}", "is not valid YAML"),
    ],
)
def test_a_file_that_is_not_a_params_file_is_rejected(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(ParamsError, match=r"params\.yaml") as error:
        load_params(path)
    assert message in str(error.value)


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"absent\.yaml does not exist"):
        load_params(tmp_path / "absent.yaml")


def test_all_errors_are_reported_together() -> None:
    with pytest.raises(ParamsError) as error:
        load_params(ROOT / "params.yaml", ("train.epochs=0", "train.batch_size=0"))
    assert "train.epochs" in str(error.value)
    assert "train.batch_size" in str(error.value)


def test_a_section_survives_a_round_trip_through_kfp() -> None:
    train = resolve_params().params.train
    text = dump_section(train)
    assert parse_section(TrainParams, text) == train
    assert dump_section(parse_section(TrainParams, text)) == text


def test_numbers_can_be_written_in_any_yaml_form() -> None:
    assert load_params(ROOT / "params.yaml", ("train.learning_rate=1e-3",)).train.learning_rate == 0.001
    assert load_params(ROOT / "params.yaml", ("train.learning_rate=1",)).train.learning_rate == 1.0


def test_tiny_pictures_keep_their_native_size_and_get_a_small_network() -> None:
    resolution = resolve_params(native_size=(8, 8))
    assert resolution.params.preprocess.size == (8, 8)
    assert resolution.params.train.model.kind == "layers"
    assert resolution.params.train.model.layers == SMALL_CNN
    assert resolution.params.train.augmentation == "light"
    assert resolution.params.deploy.model_name == "digits"
    assert len(resolution.decisions) == 4


def test_photos_get_a_pretrained_backbone_and_its_input_size() -> None:
    resolution = resolve_params(native_size=(400, 533))
    assert resolution.params.preprocess.size == (224, 224)
    assert (resolution.params.train.model.kind, resolution.params.train.model.name) == ("pretrained", "MobileNetV2")
    assert resolution.params.train.model.weights == "imagenet"
    assert resolution.params.train.augmentation_params == AUGMENTATION_PRESETS["medium"]


def test_an_explicit_model_determines_the_image_size() -> None:
    assert resolve_params("train.model.name=MobileNetV2").params.preprocess.size == (224, 224)
    own = ("train.model.layers=[Flatten]",)
    assert resolve_params(*own, native_size=(400, 300)).params.preprocess.size == (128, 128)


def test_explicit_values_are_not_resolved() -> None:
    resolution = resolve_params("preprocess.image_size=[32, 48]", "deploy.model_name=shoes", "train.augmentation=none")
    assert resolution.params.preprocess.size == (32, 48)
    assert resolution.params.deploy.model_name == "shoes"
    assert len(resolution.decisions) == 1


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ("[{Dense: {units: 4}}]", "train.model.layers[0] Dense(units=4) cannot be used here: it needs a flat vector"),
        (
            "[Flatten, MaxPooling2D]",
            "layers[1] MaxPooling2D() cannot be used here: it needs an input of height × width × channels",
        ),
        ("[MaxPooling2D, MaxPooling2D, MaxPooling2D, MaxPooling2D]", "Its input is 1 × 1 × 3."),
    ],
)
def test_layers_that_do_not_fit_together_are_rejected_before_a_run(layers: str, message: str) -> None:
    with pytest.raises(ModelError) as error:
        resolve_params(f"train.model.layers={layers}")
    assert message in str(error.value)


def test_layers_and_a_backbone_exclude_each_other() -> None:
    with pytest.raises(DarkroomError, match="remove one of the two"):
        resolve_params("train.model.layers=[Flatten]", "train.model.name=MobileNetV2")


@pytest.mark.parametrize(
    ("native_size", "kind", "image_size", "augmentation"),
    [
        ((64, 64), "layers", 64, "light"),
        ((64, 48), "layers", (64, 48), "light"),
        ((48, 64), "layers", (48, 64), "light"),
        ((65, 65), "pretrained", 224, "medium"),
        ((65, 48), "pretrained", 224, "medium"),
        ((48, 65), "pretrained", 224, "medium"),
        ((64, 65), "pretrained", 224, "medium"),
    ],
)
def test_auto_becomes_a_small_cnn_up_to_64_pixels_and_a_backbone_above(
    native_size: tuple[int, int], kind: str, image_size: int | tuple[int, int], augmentation: str
) -> None:
    params = resolve_params(native_size=native_size).params
    assert (params.train.model.kind, params.preprocess.image_size) == (kind, image_size)
    assert params.train.augmentation == augmentation
    assert params.train.model.layers == (SMALL_CNN if kind == "layers" else None)
    assert params.train.model.name == (None if kind == "layers" else "MobileNetV2")


@pytest.mark.parametrize(("image_size", "kind"), [(64, "layers"), (65, "pretrained")])
def test_the_model_depends_on_the_explicit_image_size_rather_than_the_native_size(image_size: int, kind: str) -> None:
    for native_size in ((8, 8), (400, 533)):
        params = resolve_params(f"preprocess.image_size={image_size}", native_size=native_size).params
        assert (params.train.model.kind, params.preprocess.image_size) == (kind, image_size)


@pytest.mark.parametrize(("side", "image_size"), [(64, 64), (65, 128)])
def test_custom_layers_keep_a_native_size_of_up_to_64_pixels_and_get_128_above(side: int, image_size: int) -> None:
    params = resolve_params("train.model.layers=[Flatten]", native_size=(side, side)).params
    assert params.preprocess.image_size == image_size


@pytest.mark.parametrize(
    ("side", "image_size"), [(MIN_SIZE - 1, MIN_SIZE), (MIN_SIZE, MIN_SIZE), (MIN_SIZE + 1, MIN_SIZE + 1)]
)
def test_an_automatic_size_is_never_below_the_minimum(side: int, image_size: int) -> None:
    params = resolve_params("train.model.layers=[Flatten]", native_size=(side, side)).params
    assert params.preprocess.image_size == image_size


def test_resolving_the_section_train_alone_produces_the_same_values() -> None:
    """`dvc repro` resolves the section `train` for the prepared data set; `darkroom run` resolves all params first."""
    for native_size in ((8, 8), (64, 48), (65, 65), (400, 533)):
        whole = resolve_params(native_size=native_size).params
        alone, _ = resolve_train(load_params(ROOT / "params.yaml").train, whole.preprocess.size)
        assert alone == whole.train


@pytest.mark.parametrize(
    ("text", "given_range"),
    [("auto", None), ("4095", (0, 4095)), ("[-1024, 3071]", (-1024, 3071)), ("[27000, 31000]", (27_000, 31_000))],
)
def test_a_pixel_range_can_be_one_number_or_two(text: str, given_range: tuple[int, int] | None) -> None:
    preprocess = resolve_params(f"preprocess.pixel_range={text}").params.preprocess
    assert preprocess.given_range == given_range
    assert parse_section(PreprocessParams, dump_section(preprocess)) == preprocess


@pytest.mark.parametrize(("text", "given_range"), [("auto", (0, 4095)), ("1023", (0, 1023))])
def test_the_pixel_range_of_an_earlier_model_is_the_default(text: str, given_range: tuple[int, int]) -> None:
    earlier_model = InitialModelFacts(
        display_name="the earlier model", image_size=(32, 32), pixel_range=(0, 4095), features=None
    )
    params = load_params(None, ("data.uri=photos", "train.model.from=today", f"preprocess.pixel_range={text}"))
    resolution = resolve(params, native_size=(32, 32), data_name="photos", initial_model=earlier_model)
    assert resolution.params.preprocess.given_range == given_range
    sentence = "preprocess.pixel_range: auto became [0, 4095], the range with which the earlier model was trained."
    assert (sentence in resolution.decisions) == (text == "auto")
