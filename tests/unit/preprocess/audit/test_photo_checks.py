"""The audit finds exactly the planted photos: placeholders, and photos with little content, odd size or no color."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from components.contract.artifacts.audit import AuditInfo
from components.contract.params.pipeline import PreprocessParams
from components.preprocess.audit import placeholders
from components.preprocess.examine import examine
from components.preprocess.report.pages import describe_checks
from components.preprocess.sources.source import find_photos, open_data
from components.preprocess.store.pixel_cache import open_store

NEW_KINDS = ("low_information", "odd_size", "grayscale", "placeholders")


def scene(seed: int, size: tuple[int, int] = (64, 64)) -> Image.Image:
    """Colored shapes with noise; each seed produces a different picture."""
    rng = np.random.default_rng(seed)
    pixels = np.broadcast_to(rng.integers(0, 256, 3), (*size[::-1], 3)) + rng.normal(0, 12, (*size[::-1], 3))
    image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(6):
        x, y = rng.integers(0, min(size) - 10, 2)
        draw.rectangle((x, y, x + rng.integers(8, 30), y + rng.integers(8, 30)), tuple(rng.integers(0, 256, 3)))
    return image


def placeholder(size: tuple[int, int] = (64, 64)) -> Image.Image:
    """A simple graphic, like those that web shops show in place of a missing photo."""
    large = Image.new("RGB", (256, 256), (232, 232, 232))
    draw = ImageDraw.Draw(large)
    draw.rectangle((60, 90, 196, 160), outline=(150, 150, 150), width=10)
    draw.ellipse((110, 105, 146, 141), fill=(150, 150, 150))
    return large.resize(size, Image.Resampling.LANCZOS)


def photos(folder: Path, *, classes: int = 3, per_class: int = 15, size: tuple[int, int] = (64, 64)) -> Path:
    for number in range(classes):
        (folder / f"class{number}").mkdir(parents=True)
        for place in range(per_class):
            scene(1000 * number + place, size).save(folder / f"class{number}" / f"{place}.png")
    return folder


def audit(folder: Path, tmp_path: Path, **policies: str) -> AuditInfo:
    params = PreprocessParams.model_validate({"image_size": 64, "audit": policies})
    with open_data(str(folder), tmp_path) as source, open_store(params.size, params.resize) as store:
        return examine("made", find_photos(source), params, store, divisible=False).info


def named(info: AuditInfo, kind: str) -> set[str]:
    """Returns the paths of the photos in the findings of this kind."""
    return {
        photo.path
        for finding in info.findings
        if finding.kind == kind
        for case in finding.cases
        for photo in case.photos
    }


@pytest.mark.parametrize(
    ("kind", "image"),
    [
        ("low_information", lambda: Image.new("RGB", (64, 64), (3, 3, 3))),
        ("low_information", placeholder),
        ("odd_size", lambda: scene(9, (640, 480))),
        ("odd_size", lambda: scene(9, (12, 12))),
        ("grayscale", lambda: scene(9).convert("L")),
        ("grayscale", lambda: scene(9).convert("L").convert("RGB")),
    ],
)
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_planted_photo_is_the_only_one_found(
    kind: str, image: Callable[[], Image.Image], suffix: str, tmp_path: Path
) -> None:
    folder = photos(tmp_path / "photos")
    image().save(folder / "class1" / f"planted{suffix}")
    assert named(audit(folder, tmp_path), kind) == {f"class1/planted{suffix}"}


def test_normal_photos_have_no_findings_of_these_kinds(tmp_path: Path) -> None:
    info = audit(photos(tmp_path / "photos"), tmp_path)
    assert not {finding.kind for finding in info.findings} & {*NEW_KINDS}


def test_gray_and_plain_pictures_are_not_reported_among_scans(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    for number in range(2):
        (folder / f"digit{number}").mkdir(parents=True)
        for place in range(20):
            image = Image.new("L", (28, 28))
            ImageDraw.Draw(image).line((place % 9 + 3, 4, 12 + number * 8, 24), fill=255, width=3)
            image.save(folder / f"digit{number}" / f"{place}.png")
    info = audit(folder, tmp_path)
    assert not {finding.kind for finding in info.findings} & {"grayscale", "low_information"}
    assert next(check.state for check in info.checks if check.kind == "grayscale") == "not possible"


def spread(folder: Path, num_copies: int, num_classes: int, save: Callable[[Path, int], None]) -> set[str]:
    """Plants `num_copies` copies of a picture in `num_classes` classes, and returns the paths of the copies."""
    names = [f"class{copy % num_classes}/none{copy}.jpg" for copy in range(num_copies)]
    for copy, name in enumerate(names):
        save(folder / name, copy)
    return set(names)


SAVINGS: dict[str, Callable[[Path, int], None]] = {
    "the same file": lambda path, _: placeholder().save(path, quality=90),
    "different qualities": lambda path, copy: placeholder().save(path, quality=30 + 12 * copy),
    "different sizes": lambda path, copy: placeholder((64 + 30 * copy,) * 2).save(path, quality=85),
    "a photo saved at different qualities": lambda path, copy: scene(99).save(path, quality=50 + 8 * copy),
}


@pytest.mark.parametrize("saving", SAVINGS)
@pytest.mark.parametrize(("num_copies", "num_classes"), [(3, 3), (5, 2)])
def test_a_picture_in_many_classes_is_left_out_everywhere(
    saving: str, num_copies: int, num_classes: int, tmp_path: Path
) -> None:
    folder = photos(tmp_path / "photos")
    planted = spread(folder, num_copies, num_classes, SAVINGS[saving])
    info = audit(folder, tmp_path, placeholders="quarantine")
    assert named(info, "placeholders") == planted
    assert info.rejected == {"placeholder": num_copies}


@pytest.mark.parametrize(("num_copies", "num_classes"), [(2, 2), (4, 2), (12, 1)])
def test_repeated_photos_and_oversampled_classes_are_not_placeholders(
    num_copies: int, num_classes: int, tmp_path: Path
) -> None:
    folder = photos(tmp_path / "photos")
    spread(folder, num_copies, num_classes, SAVINGS["different qualities"])
    assert not named(audit(folder, tmp_path), "placeholders")


def test_plain_photos_of_equal_brightness_are_not_placeholders(tmp_path: Path) -> None:
    """Walls with and without a crack look almost equal; the colors of the swatches have the same gray value."""
    folder = photos(tmp_path / "photos")
    rng = np.random.default_rng(0)
    colors = ((200, 0, 0), (0, 102, 0), (60, 60, 60))
    for number, color in enumerate(colors):
        for place in range(10):
            wall = Image.fromarray((150 + rng.normal(0, 9, (64, 64, 1)) + np.zeros(3)).clip(0, 255).astype(np.uint8))
            if number:
                ImageDraw.Draw(wall).line((5, 5 + 3 * place, 58, 50), fill=(70, 70, 70), width=2)
            wall.save(folder / f"class{number}" / f"wall{place}.png")
        Image.new("RGB", (64, 64), color).save(folder / f"class{number}" / "swatch.png")
    assert not named(audit(folder, tmp_path), "placeholders")


def test_similar_x_rays_are_not_placeholders(tmp_path: Path) -> None:
    """Lossless files are copies only if they are equal; these differ in noise, and those of one class show a nodule."""
    y, x = np.mgrid[:64, :64]
    for number, name in enumerate(("normal", "nodule")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for place in range(12):
            rng = np.random.default_rng(100 * number + place)
            values = 70 + 60 * np.exp(-((y - 32) ** 2 + (x - 32) ** 2) / 800) + rng.normal(0, 1.5, (64, 64))
            center_y, center_x = rng.integers(12, 52, 2)
            values += 10 * number * np.exp(-((y - center_y) ** 2 + (x - center_x) ** 2) / 20)
            Image.fromarray(values.astype(np.uint8)).save(tmp_path / "photos" / name / f"{place}.png")
    assert not named(audit(tmp_path / "photos", tmp_path), "placeholders")


def test_the_preliminary_comparison_of_blocks_misses_no_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For 70 versions of five pictures, changed to different degrees, a full comparison finds the same copies."""
    folder = photos(tmp_path / "photos", classes=4, per_class=5)
    rng = np.random.default_rng(0)
    for copy in range(70):
        pixels = np.asarray(scene(copy % 5), np.int16)
        changed = pixels + rng.integers(-copy, copy + 1) // 8 + rng.normal(0, copy / 4, pixels.shape)
        path = folder / f"class{copy % 4}" / f"copy{copy}.jpg"
        Image.fromarray(changed.clip(0, 255).astype(np.uint8)).save(path, quality=90)
    sieved = named(audit(folder, tmp_path), "placeholders")
    assert 20 < len(sieved) < 70, "some copies must be too different to be found"
    monkeypatch.setattr(placeholders, "MAX_PAIRED", 0)
    assert named(audit(folder, tmp_path), "placeholders") == sieved


def test_the_policy_determines_what_happens_to_placeholders(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos")
    spread(folder, 3, 3, SAVINGS["different qualities"])
    reported = audit(folder, tmp_path, placeholders="report")
    assert len(named(reported, "placeholders")) == 3
    assert "placeholder" not in reported.rejected
    ignored = audit(folder, tmp_path, placeholders="ignore")
    assert not named(ignored, "placeholders")
    assert next(check.state for check in ignored.checks if check.kind == "placeholders") == "off"


def test_every_check_is_listed_with_its_result(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", classes=2, per_class=10)
    info = audit(folder, tmp_path, split_drift="ignore")
    states = {check.kind: check.state for check in info.checks}
    assert states["split_drift"] == "off"
    assert states["broken"] == "clear"
    assert states["few_photos"] == "found"
    assert states["leakage"] == "not possible", "the check must be impossible without splits"
    assert states["brightness_outliers"] == "not possible", "20 photos must be too few to detect outliers"
    assert states["label_errors"] == states["outliers"] == "after training"
    text = "\n".join(describe_checks(info.checks))
    assert "needs 30 photos; the data has 20" in text
    assert "preprocess.audit.split_drift: ignore" in text
    assert {"found", "clear", "off", "not possible", "after training"} == set(states.values())
