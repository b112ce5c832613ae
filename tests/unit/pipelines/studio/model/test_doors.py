"""The ways to choose a model (the gallery and uploads), and the estimated time of a training run."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from components.contract.layers.backbones import BACKBONES
from components.contract.params.resolve import Resolution
from pipelines.studio.jobs import estimate as estimates
from pipelines.studio.jobs.estimate import estimate
from pipelines.studio.model.gallery import list_cards, speeds_path
from tests.support.source_tree import ROOT
from tests.unit.pipelines.studio.conftest import Client


def test_the_gallery_shows_every_backbone_and_its_measured_speed(client: Client) -> None:
    speeds_path(client.studio.settings.home).write_text(json.dumps({"VGG16": 41.5}))
    cards = {card["name"]: card for card in client.get("/api/gallery").json()}
    assert cards.keys() == BACKBONES.keys()
    assert cards["VGG16"]["milliseconds"] == 41.5
    assert cards["MobileNetV2"]["milliseconds"] is None
    work = [card["giga_multiply_adds"] for card in client.get("/api/gallery").json()]
    assert work == sorted(work)


def test_no_script_has_its_own_list_of_backbones() -> None:
    scripts = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "pipelines/studio/static").rglob("*.js"))
    assert [name for name in BACKBONES if f'"{name}"' in scripts] == []


def test_downloaded_weights_are_shown_as_such(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    assert not any(card.is_here for card in list_cards(tmp_path))
    (tmp_path / "keras" / "models").mkdir(parents=True)
    for name in ("mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5", "vgg16_weights_tf.h5"):
        (tmp_path / "keras" / "models" / name).touch()
    assert [card.name for card in list_cards(tmp_path) if card.is_here] == ["MobileNetV2"]


def test_a_model_file_is_stored_and_checked_by_the_safe_import(client: Client) -> None:
    job = client.put("/api/model/upload?name=../../mine.h5", b"not HDF5").json()
    assert job["command"][:2] == ["model", "check"]
    path = Path(job["about"]["file"])
    assert path == client.studio.settings.home.resolve() / "models" / "mine.h5"
    assert client.get("/api/model/uploads").json()[0]["about"]["name"] == "mine.h5"
    again = client.post("/api/model/check", {"name": "mine.h5", "architecture": "MobileNetV2"}).json()
    assert again["command"][-2:] == ["--architecture", "MobileNetV2"]


@pytest.mark.parametrize("name", ["model.pkl", "model.pt", "model", ""])
def test_a_file_with_an_unknown_suffix_is_rejected(client: Client, name: str) -> None:
    assert client.put(f"/api/model/upload?name={name}", b"x").status_code == 400


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/gallery/measure", {"names": ["VGG17"]}),
        ("/api/gallery/measure", {"names": []}),
        ("/api/gallery/package", {"name": "--help"}),
        ("/api/model/check", {"name": "../../../etc/passwd"}),
        ("/api/jobs", {"kind": "shell"}),
        ("/api/compare", {"runs": ["20260101-000000-abcd", "--help"]}),
        ("/api/compare", {"runs": ["../../etc", "latest"]}),
        ("/api/models/../serve", {}),
    ],
)
def test_only_known_values_become_part_of_a_command(client: Client, path: str, body: dict[str, object]) -> None:
    assert client.post(path, body).status_code in (400, 404, 409)
    assert client.get("/api/jobs").json() == []


def test_a_costlier_training_run_has_a_longer_time_estimate(client: Client, photos: Path) -> None:
    client.choose(photos)
    seconds = []
    for changes in ({"train.epochs": 5}, {"train.epochs": 50}, {"train.model": {"name": "VGG16"}}):
        client.post("/api/draft", {"revision": client.revision, "set": changes})
        resolution = client.studio.draft.resolve(client.studio.draft.read())
        assert isinstance(resolution, Resolution)
        time_range = estimate(resolution.params, 1000)
        assert 0 < time_range.low < time_range.high
        seconds.append(time_range.high)
    assert seconds == sorted(seconds)
    assert client.get("/api/estimate").json()["why"]


def test_a_time_estimate_grows_with_the_share_of_trained_layers(client: Client, photos: Path) -> None:
    client.choose(photos)
    client.post("/api/draft", {"revision": client.revision, "set": {"train.model": {"name": "MobileNetV2"}}})
    seconds = []
    for trainable in ("head", "blocks 10%", "blocks 25%", "blocks", "from block_9_expand", "all"):
        client.post("/api/draft", {"revision": client.revision, "set": {"train.trainable": trainable}})
        resolution = client.studio.draft.resolve(client.studio.draft.read())
        assert isinstance(resolution, Resolution)
        seconds.append(estimate(resolution.params, 1000).high)
    assert seconds == sorted(set(seconds))


def test_requests_at_the_same_time_use_one_measurement_of_the_machine() -> None:
    estimates._measure_machine_rate.cache_clear()
    with ThreadPoolExecutor(4) as pool:
        rates = list(pool.map(lambda _: estimates.measure_machine_rate(), range(8)))
    assert len(set(rates)) == 1


@pytest.mark.proof
def test_commands_write_the_layers_and_the_speed_of_a_backbone(tmp_path: Path) -> None:
    for action in ("layers", "speed"):
        subprocess.run(
            [
                sys.executable,
                "-m",
                "pipelines.cli.main",
                "model",
                action,
                "MobileNetV2",
                "--output",
                str(tmp_path / f"{action}.json"),
            ],
            check=True,
            timeout=200,
        )
    layers = json.loads((tmp_path / "layers.json").read_text())
    assert ["block_13_expand", "block_13"] in layers
    assert layers[0] == ["Conv1", "Conv1"]
    assert 1 < json.loads((tmp_path / "speed.json").read_text())["MobileNetV2"] < 2000


@pytest.mark.proof
@pytest.mark.parametrize("name", BACKBONES)
def test_the_number_of_weights_of_each_backbone_matches_keras(name: str) -> None:
    program = (
        f"import keras; print(getattr(keras.applications, {name!r})(include_top=False, weights=None).count_params())"
    )
    process = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=200)
    assert int(process.stdout.split()[-1]) == BACKBONES[name].num_parameters
