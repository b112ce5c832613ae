"""The studio's Model and Training screens in a real browser: layers, backbones, phases, and their effect on a run."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.train.pretrained import CLASS_INDEX, NUM_CLASSES
from tests.support.artifacts import make_photos
from tests.support.browser import Page, browse
from tests.support.studio import (
    READY,
    ask,
    go,
    keep,
    needs_browser,
    open_advanced,
    paused,
    pick,
    png,
    says,
    studio,
    trained,
)

pytestmark = [needs_browser, pytest.mark.proof]
PATIENCE = 400.0
EPOCHS = "[data-key='train.epochs'] input"
STARTS = "document.getElementById('start')?.disabled === false"
WITH_TOP = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5"
WITHOUT_TOP = WITH_TOP.replace(".h5", "_no_top.h5")


def params(url: str, section: str) -> Any:
    return ask(url, "api/draft")["params"].get(section, {})


async def figures(page: Page) -> str:
    return str(await page.run("document.querySelector('.facts').innerText"))


def test_a_network_is_built_and_an_invalid_layer_is_marked(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "colors")

    async def work(page: Page) -> None:
        await go(page, "model/layers")
        await pick(page, "#template", "Light")
        await page.until("document.querySelectorAll('.layer').length === 5 && document.querySelector('.drawing img')")
        await add_and_set(page)
        await put_astray(page)
        await put_right(page)
        await size(page)

    async def add_and_set(page: Page) -> None:
        await pick(page, "#add-layer", "Dense")
        await page.click("#add")
        await says(page, ".layer:nth-child(6) .gives", "64")
        before = await figures(page)
        await pick(page, "[aria-label='units of Dense 6']", "20")
        await says(page, ".layer:nth-child(6) .gives", "20")
        await pick(page, "[aria-label='filters of Conv2D 1']", "40")
        await says(page, ".layer:nth-child(1) .gives", "40")
        await pick(page, "[aria-label='activation of Conv2D 1']", "gelu")
        assert await figures(page) != before

    async def put_astray(page: Page) -> None:
        await page.drag(".layer:nth-child(6) .grip", ".layer:nth-child(2)")
        await says(page, ".layer:nth-child(2)", "Dense")
        await page.until("document.querySelector('.layer.faulty .why')?.checkVisibility()")
        assert await page.run("document.querySelectorAll('.layer.faulty').length") == 1
        why = await page.run("document.querySelector('.layer.faulty .why').textContent")
        assert await page.run("document.querySelector('.layer.faulty .place').textContent") in why, why
        assert await page.run("document.getElementById('spoken').textContent") == why
        await keep(page, "layers-astray")
        await go(page, "training", "document.getElementById('start')?.disabled")
        await page.until("document.getElementById('reasons').textContent")
        assert (await page.run("document.getElementById('reasons').textContent")).startswith("Layer 2, Dense")
        assert "flat vector" in await page.run("document.getElementById('spoken').textContent"), (
            "screen readers must announce it"
        )
        await keep(page, "training-off")

    async def put_right(page: Page) -> None:
        await go(page, "model/layers", "document.querySelectorAll('.layer').length === 6")
        for place in range(2, 6):
            await page.run(f"document.querySelector('.layer:nth-child({place}) .down').focus()")
            await page.press("Enter")
            await says(page, f".layer:nth-child({place + 1})", "Dense")
        await page.until("!document.querySelector('.layer.faulty') && document.querySelector('.drawing img')")
        await page.click(".layer:nth-child(6) .copy")
        await page.until("document.querySelectorAll('.layer').length === 7")
        await page.click(".layer:nth-child(5) .remove")
        await page.until("document.querySelectorAll('.layer').length === 6")
        assert "chosen" in await page.run("document.getElementById('door-layers').textContent")

    async def size(page: Page) -> None:
        await pick(page, "[data-key='preprocess.image_size'] input", "24 x 20")
        await says(page, ".facts", "24 × 20 pixels and 3 classes")
        await keep(page, "layers")
        await go(page, "training", STARTS)

    with studio(tmp_path) as url:
        ask(url, "api/data/choose", {"uri": str(photos), "revision": 0})
        browse(url, tmp_path, work, ready=READY)
        assert params(url, "preprocess") == {"image_size": [24, 20]}
        layers = params(url, "train")["model"]["layers"]
        assert [next(iter(layer)) if isinstance(layer, dict) else layer for layer in layers] == [
            "Conv2D",
            "SeparableConv2D",
            "SeparableConv2D",
            "GlobalAveragePooling2D",
            "Dense",
            "Dense",
        ]
        assert layers[0]["Conv2D"]["filters"] == 40
        assert layers[0]["Conv2D"]["activation"] == "gelu"
        assert [layer["Dense"]["units"] for layer in layers[4:]] == [20, 20]


@pytest.fixture
def keras_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Keras cache with random weights and made-up class names in place of ImageNet's; downloads are blocked."""
    models = tmp_path / "keras" / "models"
    models.mkdir(parents=True)
    names = {str(number): [f"n{number:08d}", f"thing_{number}"] for number in range(NUM_CLASSES)}
    (models / CLASS_INDEX).write_text(json.dumps(names))
    program = "import sys, keras; keras.applications.MobileNetV2(weights=None).save(sys.argv[1])"
    subprocess.run([sys.executable, "-c", program, str(models / WITH_TOP)], check=True, timeout=200)
    monkeypatch.setenv("KERAS_HOME", str(models.parent))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    return models.parent


def test_a_backbone_is_benchmarked_and_predicts_without_training(tmp_path: Path, keras_home: Path) -> None:
    (tmp_path / "photo.png").write_bytes(png("green", np.random.default_rng(0)))

    async def work(page: Page) -> None:
        await go(page, "model/pretrained")
        await page.click("[aria-label='Measure MobileNetV2']")
        await page.until("/[0-9.]+ ms/.test(document.querySelector('[aria-label=MobileNetV2]').textContent)", PATIENCE)
        print(await page.run("document.querySelector('[aria-label=MobileNetV2]').innerText"))
        await keep(page, "gallery-measured")
        await page.click("[aria-label^='Use with ImageNet'][aria-label$=' MobileNetV2']")
        await page.until("document.querySelector('#to-try, .notice.fault')", PATIENCE)
        assert not await page.run("document.querySelector('.notice.fault')?.textContent ?? ''")
        await keep(page, "packaged")
        await page.click("#to-try")
        await page.until("document.querySelector('.drop')")
        await page.drop([tmp_path / "photo.png"], ".drop")
        await says(page, ".answer .label", "thing_", PATIENCE)
        await keep(page, "packaged-answer")
        await page.click("#serve")
        await says(page, "#served", "The service is ready", PATIENCE)
        await page.click("#unserve")
        await page.until("document.getElementById('serve')")
        await go(page, "model/pretrained")
        await page.click("[aria-label^='Use with ImageNet'][aria-label$=' VGG16']")
        await says(page, ".notice.fault", "cannot be downloaded", PATIENCE)
        await keep(page, "package-refused")

    with studio(tmp_path) as url:
        browse(url, tmp_path, work, ready=READY)


async def phase(page: Page, number: int, label: str, text: str) -> None:
    """Enters a value into a field of a training phase."""
    fields = f"[...document.querySelectorAll('.phase:nth-child({number}) .field')]"
    field = f"{fields}.find(one => one.textContent === {label!r})"
    await page.run(f"{field}.querySelector('input').dataset.label = {label!r}")
    await pick(page, f".phase:nth-child({number}) [data-label='{label}']", text)


def test_quick_successive_edits_are_all_kept(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "colors")
    layers = [{"Conv2D": {"filters": 4, "kernel_size": 3, "name": "eyes"}}, "GlobalAveragePooling2D"]

    async def work(page: Page) -> None:
        await go(page, "training", STARTS)
        await open_advanced(page)
        await page.click("#two-phases")
        await page.until(f"document.querySelectorAll('.phase').length === 2 && {STARTS}")
        with paused(url):  # the server receives no edit before the next one is made
            await phase(page, 2, "Epochs", "5")
            await phase(page, 2, "Learning rate", "0.002")
            await page.run("document.querySelector('.phase:nth-child(2) [data-label=Epochs]').focus()")
            await pick(page, "#trainable", "names")
            await page.until("document.querySelectorAll('.tree input').length === 1")
        draft = "fetch('api/draft').then(answer => answer.json())"
        await page.until(f"{draft}.then(({{params}}) => params.train.phases?.[1].learning_rate === 0.002)")
        await page.run("new Promise(done => setTimeout(done, 500))")  # long enough for a redraw
        assert await page.run("document.activeElement.value") == "5", "the same field must still have the focus"
        assert await page.run("document.getElementById('trainable').value") == "names"
        await page.click_on("eyes", ".tree")
        await page.click("[data-key='train.phases'] > .reset")
        await page.until("document.activeElement?.id === 'two-phases'")
        await pick(page, EPOCHS, "7")
        await page.click("[data-key='train.epochs'] .reset")
        await page.until(f"document.activeElement === document.querySelector({EPOCHS!r})")
        assert await page.run(f"document.querySelector({EPOCHS!r}).value") == "auto"
        await keep(page, "training-advanced")

    with studio(tmp_path) as url:
        revision = ask(url, "api/data/choose", {"uri": str(photos), "revision": 0})["revision"]
        ask(url, "api/draft", {"revision": revision, "set": {"train.model": {"layers": layers}}})
        browse(url, tmp_path, work, ready=READY)
        assert params(url, "train") == {"model": {"layers": layers}, "trainable": ["eyes"]}


def test_the_run_trains_the_selected_layers_in_the_selected_phases(tmp_path: Path, shared_dir: Path) -> None:
    photos = make_photos(tmp_path / "colors")
    # The studio reads only files within its roots.
    weights = shutil.copyfile(shared_dir / "weights" / WITHOUT_TOP, tmp_path / WITHOUT_TOP)

    async def choose_model(page: Page) -> None:
        await go(page, "model/pretrained")
        await page.click("[aria-label='Choose MobileNetV2']")
        await pick(page, "#weights", "file")
        await pick(page, "#weights-path", str(weights))
        await page.until(f"{READY}")
        await keep(page, "weights-by-path")

    async def choose_layers(page: Page) -> None:
        await go(page, "training", STARTS)
        await pick(page, "[data-key='preprocess.image_size'] input", "32")
        await open_advanced(page)
        await pick(page, "#trainable", "names")
        await page.until("document.querySelectorAll('.tree > li').length > 10", PATIENCE)
        await page.click_on("block_15", ".tree")
        await page.until("document.querySelectorAll('.tree input:checked').length > 3")
        await page.run("document.querySelectorAll('.tree details').forEach(one => { one.open = true; })")
        await page.click_on("block_16_project", ".tree")
        await keep(page, "tree")

    async def choose_phases(page: Page) -> None:
        await page.until("document.getElementById('patience').placeholder === 'auto: never'")  # the preset's value
        await page.click("#two-phases")
        await page.until("document.querySelectorAll('.phase').length === 2")
        await phase(page, 1, "Epochs", "1")
        await phase(page, 2, "Epochs", "-1")
        await says(page, "[data-key='train.phases'] .fault", "train.phases[1].epochs")
        await page.until("document.getElementById('start').disabled")
        await pick(page, ".phase:nth-child(2) select", "")
        await phase(page, 2, "Epochs", "2")
        await phase(page, 2, "Learning rate", "0.0002")
        await page.click_on("Add a phase")
        await page.until("document.querySelectorAll('.phase').length === 3")
        await page.click_on("Remove phase 3")
        await page.until("document.querySelectorAll('.phase').length === 2")
        await page.until("![...document.querySelectorAll('#magic pre')].at(-1).textContent.includes('epochs: 5')")

    async def work(page: Page) -> None:
        await choose_model(page)
        await choose_layers(page)
        await choose_phases(page)
        await page.until(STARTS)
        yaml_text = await page.run(
            "document.querySelector('#magic h2 + .code pre').textContent && "
            "[...document.querySelectorAll('#magic pre')].at(-1).textContent"
        )
        assert yaml_text == ask(url, "api/draft")["yaml"]
        assert "block_16_project" in yaml_text
        await page.until("/[0-9]+ (s|min|h)/.test(document.querySelector('.estimate b')?.textContent)")
        print(await page.run("document.querySelector('.estimate').textContent"))
        await keep(page, "phases")
        await page.click("#start")
        ran.append(await trained(page))
        print(await page.run("document.querySelector('.figures').innerText"))

    ran: list[str] = []
    with studio(tmp_path) as url:
        ask(url, "api/data/choose", {"uri": str(photos), "revision": 0})
        ask(url, "api/draft", {"revision": 1, "set": {"evaluate.robustness_photos": 0}})
        browse(url, tmp_path, work, ready=READY)
        train_params = params(url, "train")
    assert train_params["phases"][0] == {"trainable": "head", "epochs": 1}
    assert train_params["phases"][1] | {"optimizer": ""} == {
        "epochs": 2,
        "learning_rate": 0.0002,
        "warmup_epochs": 1,
        "optimizer": "",
    }
    selected_layers = set(train_params["trainable"])
    assert {name[:8] for name in selected_layers} == {"block_15", "block_16"}
    bundle = json.loads((tmp_path / "runs" / ran[0] / "model" / "bundle.json").read_text())
    trained_layers = {name for name in bundle["model"]["trained_layers"] if name.startswith("block_")}
    assert trained_layers
    assert trained_layers <= selected_layers
    assert bundle["model"]["weights_sha256"]
    assert bundle["epochs_run"] == 3
