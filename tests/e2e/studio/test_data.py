"""The studio's Data screen in a real browser: choosing photos, creating classes, and fixing audit findings."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.artifacts import CLASS_NAMES, make_photos
from tests.support.browser import Page, browse
from tests.support.studio import READY, ask, go, keep, needs_browser, open_advanced, pick, png, says, studio

pytestmark = [needs_browser, pytest.mark.proof]
PATIENCE = 90.0
TWO_LABELS = "The same photo with two labels"
BLURRED = "Photos much less sharp than the others"
FEW = "Few training photos"


def write_photos(folder: Path, *class_names: str) -> list[Path]:
    """Writes a photo for each class name into one folder, like files on a user's desktop."""
    rng = np.random.default_rng(5)
    files = []
    for number, class_name in enumerate(class_names):
        files.append(folder / f"{class_name} {number}.png")
        files[-1].write_bytes(png(class_name, rng))
    return files


def shown_class(name: str) -> str:
    return f".class[aria-label='{name}']"


def case(path: str) -> str:
    """Returns the selector of the menu in which a user decides what happens to a photo in a finding."""
    return f".case select[aria-label$='{path}']"


def test_a_folder_can_be_browsed_and_chosen_by_clicks(tmp_path: Path) -> None:
    make_photos(tmp_path / "pictures" / "colors")
    (tmp_path / "pictures" / "notes.txt").write_text("milk, eggs")

    async def work(page: Page) -> None:
        await page.click_on("Browse")
        for name in (str(tmp_path), "pictures"):
            await page.click_on(name, ".places")
        await says(page, ".browser", "colors")
        assert "notes" not in await page.run("document.querySelector('.places').textContent")
        await page.click_on("colors", ".places")
        await says(page, ".browser", "blue")
        await keep(page, "data-browser")
        await page.click_on("↑ Up")
        await page.click_on("colors", ".places")
        await page.click_on("Use this folder")
        await says(page, "main", "60 photos in 3 classes")
        await page.until("document.querySelector('.bars')", PATIENCE)
        assert await page.run("[...document.querySelectorAll('.bars .name')].map(one => one.textContent)") == [
            *CLASS_NAMES
        ]
        await page.until("[...document.querySelectorAll('.thumbs img')].every(one => one.naturalWidth > 0)")
        await keep(page, "data-chosen")

    with studio(tmp_path) as url:
        browse(url, tmp_path, work, ready=READY)
        assert ask(url, "api/draft")["params"]["data"]["uri"] == str(tmp_path / "pictures" / "colors")


def test_photos_from_drag_and_drop_and_the_camera_fill_new_classes(tmp_path: Path) -> None:
    async def make_class(page: Page, name: str) -> None:
        await pick(page, "#class-name", name)
        await page.click("#add-class")
        await page.until(f"document.querySelector({shown_class(name)!r})")

    async def work(page: Page) -> None:
        await pick(page, "#new-name", "my colors")
        await page.click("#make")
        for name in ("green", "blue", "rde"):
            await make_class(page, name)
        await keep(page, "classes-empty")
        await pick(page, "#class-name", "half a na")
        await page.run("document.getElementById('class-name').focus(); document.querySelector('.class').id = 'old'")
        ask(url, "api/data/uploaded", {})
        await page.until("!document.getElementById('old')")
        assert await page.run("document.activeElement.value") == "half a na", "a redraw must keep the text being typed"
        for name in ("green", "blue"):
            await page.drop(write_photos(tmp_path, *[name] * 12), shown_class(name))
            await says(page, shown_class(name), "12 photos")
        await camera(page)
        page.replies = ["red"]
        await page.click_on("Rename", shown_class("rde"))
        await says(page, shown_class("red"), "2 photos")
        await says(page, "main", "26 photos in 3 classes")
        await keep(page, "classes-made")
        await page.click("#audit")
        await page.until("document.querySelector('.bars')", PATIENCE)
        page.replies = [""]
        await page.click_on("Remove", shown_class("blue"))
        await says(page, "main", "14 photos in 2 classes")

    async def camera(page: Page) -> None:
        await page.click_on("Camera", shown_class("rde"))
        await page.until("document.querySelector('dialog video')?.videoWidth > 0")
        await page.click_on("Take photo")
        await says(page, "dialog", "Photos taken: 1.")
        await keep(page, "camera")
        await page.click_on("Take photo")
        await says(page, "dialog", "Photos taken: 2.")
        await page.click_on("Close", "dialog")
        await page.until("!document.querySelector('dialog')")
        await says(page, shown_class("rde"), "2 photos")

    with studio(tmp_path) as url:
        browse(url, tmp_path, work, ready=READY)
    for path in (tmp_path / ".darkroom" / "studio" / "photos" / "my-colors" / "red").iterdir():
        with Image.open(path) as camera_photo:
            assert min(camera_photo.size) >= 240, "photos must have the camera's full resolution"


def test_relabeling_and_removing_photos_of_findings_creates_a_new_version(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "colors")
    (photos / "blue" / "astray.png").write_bytes((photos / "red" / "003.png").read_bytes())
    (photos / "green" / "torn.png").write_bytes(b"\x89PNG and then nothing")
    Image.new("RGB", (32, 40)).save(photos / "green" / "night.png")
    before = {path: path.read_bytes() for path in photos.rglob("*.png")}

    async def work(page: Page) -> None:
        await page.until("document.querySelectorAll('.finding').length === 7", PATIENCE)
        for title in (TWO_LABELS, BLURRED, FEW):
            await page.click_on(title, ".findings")
        await keep(page, "findings")
        items = "[...document.querySelectorAll('.findings > li')]"
        await page.run(f"{items}.find(one => one.textContent.includes({FEW!r})).id = 'few'")
        await pick(page, "#few label select", "ignore")
        await page.until("document.querySelectorAll('.finding').length === 6", PATIENCE)
        await says(page, "#accepted", FEW)
        assert await page.run("document.querySelectorAll('.finding[open]').length") == 2, "two findings must stay open"
        await decide(page)
        await versions(page)
        await page.click_on(f"Report again: {FEW}", "#accepted")
        await says(page, ".findings", FEW, PATIENCE)
        assert not ask(url, "api/draft")["params"].get("preprocess")

    async def decide(page: Page) -> None:
        await pick(page, case("blue/astray.png"), "=red")
        await pick(page, case("green/night.png"), "-")
        await says(page, ".decide", "2 photos changed")
        await keep(page, "findings-decided")
        await page.click_on("Discard all", ".decide")
        assert await page.run(f"document.querySelector({case('green/night.png')!r}).value") == ""
        await pick(page, case("blue/astray.png"), "=red")
        await pick(page, case("green/night.png"), "-")
        await page.click_on("Save as a new version", ".decide")
        await page.until("document.querySelector('.versions')", PATIENCE)
        await page.until("document.querySelector('.finding')", PATIENCE)

    async def versions(page: Page) -> None:
        await says(page, ".versions", "1 relabeled, 1 removed · 62 photos")
        titles = await page.run("document.querySelector('.findings').innerText")
        assert TWO_LABELS not in titles
        assert BLURRED not in titles
        await page.click_on("Differences", ".versions")
        await says(page, "main", "From v1 to the chosen version")
        for word in ("1 removed", "1 relabeled"):
            await page.click_on(word)
        await says(page, "main", "colors/blue/astray.png: blue → red")
        await keep(page, "versions")
        await page.click_on("Choose", ".versions")
        await says(page, ".versions li:first-child", "chosen", PATIENCE)
        await says(page, ".findings", TWO_LABELS, PATIENCE)
        await page.click_on("Choose", ".versions")
        await says(page, ".versions li:last-child", "chosen", PATIENCE)
        await page.until("document.querySelector('.finding')", PATIENCE)

    with studio(tmp_path) as url:
        ask(url, "api/data/choose", {"uri": str(photos), "revision": 0})
        ask(url, "api/audit", {})
        browse(url, tmp_path, work, ready=READY, expected="torn.png")
    assert {path: path.read_bytes() for path in photos.rglob("*.png")} == before, "the user's photos must not change"


def test_augmentation_is_previewed_while_it_is_edited(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "colors")
    slider = "[...document.querySelectorAll('.sliders .field')].find(one => one.textContent.startsWith('Rotation'))"

    async def preview_source(page: Page, before: object = None) -> object:
        """Waits until the address of the preview differs from `before`, and returns it."""
        preview = "document.querySelector('.preview')"
        await page.until(f"{preview}.complete && {preview}.naturalWidth > 0 && {preview}.src !== {before or ''!r}", 30)
        size = await page.run(f"fetch({preview}.src).then(answer => answer.blob()).then(blob => blob.size)")
        assert size > 1000
        return await page.run(f"{preview}.src")

    async def work(page: Page) -> None:
        await go(page, "training", "document.getElementById('start')?.disabled === false")
        await open_advanced(page)
        source = await preview_source(page)
        await pick(page, "#augmentation", "strong")
        source = await preview_source(page, source)
        await page.click_on("Another photo")
        source = await preview_source(page, source)
        await keep(page, "variation-strong")
        await pick(page, "#augmentation", "own")
        source = await preview_source(page, source)
        await page.until(slider)
        await page.run(f"{slider}.id = 'turn'")
        await pick(page, "#turn input", "90")
        assert await page.run("document.querySelector('#turn output').textContent") == "90"
        await preview_source(page, source)
        await keep(page, "variation-own")

    with studio(tmp_path) as url:
        ask(url, "api/data/choose", {"uri": str(photos), "revision": 0})
        browse(url, tmp_path, work, ready=READY)
        assert ask(url, "api/draft")["params"]["train"]["augmentation"]["rotation_degrees"] == 90
