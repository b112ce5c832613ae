"""The report stands alone, is readable by those who do not see it, and lets no name escape into its code."""

import itertools
import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from components.contract.bundle import BundleInfo, ExportFacts, ModelFacts
from components.contract.dataset import DatasetInfo, Source
from components.contract.evaluation import AllFigures, EvaluationInfo, Interval, SplitFigures, Verdict
from components.evaluate.charts import INK, draw_charts, inline_svg, shorten
from components.evaluate.metrics import figures
from components.evaluate.mistakes import Mistake
from components.evaluate.report import Content, Photo, caveats, data_uri, interval, percent, render, reproduce_commands

HOSTILE = (
    "<script>alert(1)</script>", "\"><img src=x onerror='alert(1)'>", "$\\frac{a}{b}$ & {{ 7 * 7 }}",
    "bell\x07, 猫 and 🐱", "a name that is much too long to stand beside any chart",
)  # fmt: skip


def content(
    names: tuple[str, ...] = ("cat", "dog", "owl"),
    *,
    per_class: int = 40,
    accuracy: float = 0.8,
    side: int = 32,
    num_photos: int = 3,
    verdict: str = "first",
    **bundle_changes: Any,
) -> Content:
    """What a model that names this share of photos rightly would be told of."""
    rng = np.random.default_rng(0)
    num = len(names)
    labels = np.repeat(np.arange(num, dtype=np.int32), per_class)
    predicted = np.where(rng.random(len(labels)) < accuracy, labels, rng.integers(0, num, len(labels)))
    probabilities = (np.eye(num)[predicted] * 0.8 + 0.2 / num).astype(np.float32)
    split = figures(labels, probabilities, names, resamples=100, rng=rng)
    all_figures = AllFigures(class_names=names, validation=split, test=split)
    history = {"loss": [1.0, 0.6, 0.3], "val_loss": [0.9, 0.5, 0.55], "accuracy": [0.4, 0.7, 0.9],
               "val_accuracy": [0.5, 0.8, 0.79]}  # fmt: skip
    source = Source(uri="data/my photos; rm -rf $HOME", dvc="0123456789abcdef.dir", git_revision="f" * 40)
    bundle = BundleInfo(
        dataset_name="pets", dataset_fingerprint="a" * 64, source=source, class_names=names, image_size=(side, side),
        resize="stretch", params={"model": {"kind": "layers"}, "epochs": 3}, library_versions={"keras": "3.15.1"},
        epochs_run=3, best_epoch=2, model=ModelFacts(
            kind="layers", name="CNN", num_parameters=1234567, num_trained_parameters=1234, num_layers=9,
            trained_layers=tuple(f"layer_{number}" for number in range(9))),
        export=ExportFacts(outputs=("logits",), max_probability_difference=2e-7, num_compared=8, sha256="e" * 64),
    ).model_copy(update=bundle_changes)  # fmt: skip
    counts = dict.fromkeys(names, per_class)
    dataset = DatasetInfo(
        name="pets", class_names=names, image_size=(side, side), resize="stretch", native_size=(side, side),
        counts={"train": {**counts, names[0]: 3 * per_class}, "validation": counts, "test": counts},
        rejected={"truncated": 2}, fingerprint="a" * 64, source=source,
    )  # fmt: skip
    headline = SplitFigures(num_images=split.num_images, accuracy=split.accuracy, macro_f1=split.macro_f1)
    info = EvaluationInfo(
        model_name="pets", class_names=names, dataset_fingerprint="a" * 64, export_sha256="e" * 64,
        validation=headline, test=headline, gate=Verdict(verdict=verdict, reasons=("Because <b>it</b> is so.",)),
        mlflow_run_id="0123456789abcdef",
    )  # fmt: skip
    photos = [
        Photo(Mistake(number, "id", 0, 1, 0.9, 0.05), rng.integers(0, 256, (side, side, 3)).astype(np.uint8),
              f"{names[0]}/{number}.jpg") for number in range(num_photos)
    ]  # fmt: skip
    return Content(info, all_figures, dataset, bundle, history, draw_charts(all_figures, history, 2), photos)


class Page(HTMLParser):
    """Every element with its attributes, and the text outside of scripts and styles."""

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        if tag in ("script", "style"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1] == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if not self._open:
            self.text += data

    def all(self, *tags: str) -> Iterator[dict[str, str]]:
        return (attributes for tag, attributes in self.elements if tag in tags)


@pytest.fixture(scope="module")
def text() -> str:
    return render(content())


def test_the_report_loads_nothing_from_anywhere(text: str) -> None:
    page = Page(text)
    addresses = [
        attributes[key] for _, attributes in page.elements for key in ("src", "href", "xlink:href", "action", "data",
        "srcset", "poster") if key in attributes
    ]  # fmt: skip
    assert len([address for address in addresses if address.startswith("data:image/")]) >= 3
    assert [address for address in addresses if not address.startswith(("data:", "#"))] == []
    assert not list(page.all("link", "iframe", "object", "embed", "base", "form")) or [
        attributes["href"] for attributes in page.all("link")
    ] == ["data:,"]
    assert re.findall(r"url\((?!#)", text) == []
    assert "@import" not in text and "fetch(" not in text and "http://" not in text.replace("http://127.0.0.1:3000", "")


def test_every_picture_is_described_and_every_table_has_headings(text: str) -> None:
    page = Page(text)
    assert all(attributes.get("alt") for attributes in page.all("img"))
    assert all(attributes.get("role") == "img" and attributes.get("aria-label") for attributes in page.all("svg"))
    assert len(list(page.all("svg"))) == 3
    assert all(attributes.get("scope") for attributes in page.all("th"))
    headings = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
    assert headings[0] == 1 and headings.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(headings))


def test_ids_are_unique_and_references_are_kept(text: str) -> None:
    page = Page(text)
    ids = Counter(attributes["id"] for _, attributes in page.elements if "id" in attributes)
    assert [name for name, count in ids.items() if count > 1] == []
    wanted = {attributes["href"][1:] for _, attributes in page.elements if attributes.get("href", "").startswith("#")}
    wanted |= set(re.findall(r"url\(#([^)]+)\)", text))
    assert wanted <= set(ids)


def test_the_report_says_what_it_must(text: str) -> None:
    said = " ".join(Page(text).text.split())
    num_correct = content().figures.test.num_correct
    for phrase in (
        "First of its name", "Because <b>it</b> is so.", f"{num_correct} of 120 test photos were named rightly",
        "2 rejected", "truncated", "0123456789abcdef.dir", "f" * 40, "1,234,567", "layer_8", "model.kind",
        "keras 3.15.1", "epoch 2 kept", "3.0 times as many training photos", "Most confused pairs", "cat/0.jpg",
        "darkroom run --params params.yaml --data 'data/my photos; rm -rf $HOME'",
        "curl -F files=@PHOTO.jpg http://127.0.0.1:3000/predict",
    ):  # fmt: skip
        assert phrase in said, phrase


def test_hostile_class_names_stay_text() -> None:
    text = render(content(HOSTILE, num_photos=2))
    page = Page(text)
    assert "<script>alert" not in text
    assert len(list(page.all("script"))) == 1
    assert {attributes["src"][:11] for attributes in page.all("img")} == {"data:image/"}
    assert all("onerror" not in attributes for _, attributes in page.elements)
    assert page.text.count("$\\frac{a}{b}$ & {{ 7 * 7 }}") >= 3
    assert "<script>alert(1)</script>" in page.text
    assert "🐱" in page.text


@pytest.mark.parametrize("num_classes", [2, 3, 30, 31, 100])
def test_the_confusion_matrix_holds_its_numbers_as_far_as_they_can_be_read(num_classes: int) -> None:
    made = content(tuple(f"class {number}" for number in range(num_classes)), per_class=6, num_photos=0)
    svg = inline_svg(made.charts["confusion_matrix"], "described", "confusion")
    shown = Counter(re.findall(r">(\d+)</text>", svg))
    matrix = np.array(made.figures.test.confusion_matrix)
    expected = Counter(str(number) for number in matrix[matrix > 0]) if num_classes <= 30 else Counter()
    assert shown == expected
    assert svg.count(">class ") == 2 * num_classes
    assert len(svg) < 200_000


def test_charts_follow_the_page_into_the_dark() -> None:
    for name, chart in content().charts.items():
        svg = inline_svg(chart, "described", name)
        assert INK not in svg and "var(--ink)" in svg and "var(--soft)" in svg
        assert "<style" not in svg and "<metadata" not in svg


def test_a_large_report_stays_under_5_mb() -> None:
    names = tuple(f"a class with a name of its own, number {number}" for number in range(100))
    text = render(content(names, per_class=20, accuracy=0.1, side=512, num_photos=60))
    assert len(text.encode()) < 5_000_000
    assert text.count("<img ") == 60


@pytest.mark.parametrize(
    ("made", "phrase"),
    [
        (content(per_class=10), "only 30 test photos"),
        (content(accuracy=1.0), "does not mean none on others: up to 3.1 % of mistakes"),
        (content(accuracy=0.0), "The model is not surely better than that"),
        (content(dataset_fingerprint="b" * 64), "another version of the data"),
    ],
)
def test_caveats_are_told(made: Content, phrase: str) -> None:
    assert any(phrase.casefold() in caveat.casefold() for caveat in caveats(made)), caveats(made)


def test_a_sound_model_has_no_caveats() -> None:
    assert caveats(content()) == []


@pytest.mark.parametrize("verdict", ["first", "better", "worse", "cannot tell", "not comparable"])
def test_the_verdict_stands_first_and_says_what_follows(verdict: str) -> None:
    text = render(content(verdict=verdict, num_photos=0))
    assert text.index('id="verdict"') < text.index('id="figures"')
    assert ("becomes the champion" in text) == (verdict in ("first", "better"))
    assert ("it is not promoted" in text) == (verdict not in ("first", "better"))


def test_commands_leave_out_what_is_not_known() -> None:
    made = content()
    bare = made.dataset.model_copy(update={"source": Source(uri="photos")})
    evaluation = made.evaluation.model_copy(update={"mlflow_run_id": None})
    known = Content(evaluation, made.figures, bare, made.bundle, made.history, made.charts, made.photos)
    assert reproduce_commands(known) == "darkroom run --params params.yaml --data photos"


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, "0 %"), (1.0, "100 %"), (0.9999, "100.0 %"), (0.12345, "12.3 %"), (None, "–")]
)
def test_percentages_are_short_and_rounded_ones_look_so(share: float | None, text: str) -> None:
    assert percent(share) == text


def test_intervals_name_their_unit_once() -> None:
    assert interval(Interval(value=1.0, low=0.903, high=1.0)) == "90.3–100 %"


@pytest.mark.parametrize(("side", "start"), [(8, "data:image/png"), (96, "data:image/png"), (97, "data:image/jpeg")])
def test_tiny_pictures_are_kept_to_the_pixel(side: int, start: str) -> None:
    assert data_uri(np.zeros((side, side, 3), np.uint8)).startswith(start)


@pytest.mark.parametrize(("name", "shown"), [("a" * 22, "a" * 22), ("a" * 23, "a" * 21 + "…"), ("a\x00b", "a\N{REPLACEMENT CHARACTER}b")])  # fmt: skip  # noqa: E501
def test_names_beside_a_chart_are_short_and_printable(name: str, shown: str) -> None:
    assert shorten(name) == shown
