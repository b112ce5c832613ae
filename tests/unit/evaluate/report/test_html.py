"""The report stands alone, is readable by those who do not see it, and lets no name escape into its code."""

import io
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.contract.artifacts.bundle import BundleInfo, ExportFacts, ModelFacts
from components.contract.artifacts.dataset import DatasetInfo, Source
from components.contract.artifacts.evaluation import Comparison, EvaluationInfo, Verdict
from components.contract.artifacts.figures import (
    AllFigures,
    CalibrationFigures,
    FamiliarityCheck,
    FoldFigures,
    Interval,
    RobustnessFigures,
    SliceFigures,
    SplitFigures,
)
from components.contract.artifacts.leaderboard import Leaderboard, Row
from components.contract.artifacts.study import StudyInfo, Trial
from components.contract.params.pipeline import EvaluateParams, TrainParams, load_params
from components.contract.params.training import AugmentationParams
from components.evaluate.formatting import file_size, interval, percent
from components.evaluate.measure.label_errors import LabelError
from components.evaluate.measure.metrics import compute_figures
from components.evaluate.measure.mistakes import Answer
from components.evaluate.report.augmentation import NEVER_VARIED, PHRASES, augmentation_sentences
from components.evaluate.report.charts.figures import draw_charts, inline_svg, shorten, to_png
from components.evaluate.report.charts.network_diagram import architecture_chart, build_boxes
from components.evaluate.report.charts.style import INK
from components.evaluate.report.html import data_uri, render
from components.evaluate.report.model import Content, Doubt, Photo, Showcase, reproduce_commands, reproduce_params
from components.evaluate.report.model_card import render_card
from components.evaluate.report.pdf.document import write_pdf
from components.evaluate.report.training_history import History, Phase, build_phases, phase_settings

HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "$\\frac{a}{b}$ & {{ 7 * 7 }}",
    "bell\x07, 猫 and 🐱",
    "a name that is much too long to stand beside any chart",
)


def content(
    names: tuple[str, ...] = ("cat", "dog", "owl"),
    *,
    per_class: int = 40,
    accuracy: float = 0.8,
    side: int = 32,
    num_photos: int = 3,
    verdict: str = "first",
    with_pictures: bool = False,
    phases: tuple[Sequence[float | str], Sequence[Mapping[str, Any]]] = ((), ()),
    samples: bytes | None = None,
    **bundle_changes: Any,
) -> Content:
    """What a model that names this share of photos rightly would be told of."""
    rng = np.random.default_rng(0)
    num = len(names)
    labels = np.repeat(np.arange(num, dtype=np.int32), per_class)
    predicted = np.where(rng.random(len(labels)) < accuracy, labels, rng.integers(0, num, len(labels)))
    probabilities = (np.eye(num)[predicted] * 0.8 + 0.2 / num).astype(np.float32)
    split = compute_figures(labels, probabilities, names, resamples=100, rng=rng)
    all_figures = AllFigures(class_names=names, validation=split, test=split, **measured(split.accuracy))
    curves = {
        "loss": [1.0, 0.6, 0.3],
        "val_loss": [0.9, 0.5, 0.55],
        "accuracy": [0.4, 0.7, 0.9],
        "val_accuracy": [0.5, 0.8, 0.79],
    }
    history = History(curves, build_phases(*phases))
    source = Source(uri="data/my photos; rm -rf $HOME", dvc="0123456789abcdef.dir", git_revision="f" * 40)
    bundle = BundleInfo(
        dataset_name="pets",
        dataset_fingerprint="a" * 64,
        source=source,
        class_names=names,
        image_size=(side, side),
        resize="stretch",
        params={"model": {"kind": "layers"}, "epochs": 3},
        library_versions={"keras": "3.15.1"},
        epochs_run=3,
        best_epoch=2,
        model=ModelFacts(
            kind="layers",
            name="CNN",
            num_parameters=1234567,
            num_trained_parameters=1234,
            num_layers=9,
            trained_layers=tuple(f"layer_{number}" for number in range(9)),
        ),
        export=ExportFacts(outputs=("logits",), max_probability_difference=2e-7, num_compared=8, sha256="e" * 64),
    ).model_copy(update=bundle_changes)
    counts = dict.fromkeys(names, per_class)
    dataset = DatasetInfo(
        name="pets",
        class_names=names,
        image_size=(side, side),
        resize="stretch",
        native_size=(side, side),
        counts={"train": {**counts, names[0]: 3 * per_class}, "validation": counts, "test": counts},
        rejected={"truncated": 2},
        fingerprint="a" * 64,
        source=source,
    )
    headline = SplitFigures(num_images=split.num_images, accuracy=split.accuracy, macro_f1=split.macro_f1)
    verdict_found = Verdict(
        verdict=verdict,
        reasons=("Because <b>it</b> is so.", "And so."),
        looks=12,
        comparison=Comparison(
            num_images=120,
            candidate_accuracy=0.8,
            champion_accuracy=0.7,
            num_won=13,
            num_lost=2,
            p_value=0.01,
            accuracy_difference=split.accuracy,
            macro_f1_difference=split.accuracy,
        ),
    )
    info = EvaluationInfo(
        model_name="pets",
        class_names=names,
        dataset_fingerprint="a" * 64,
        export_sha256="e" * 64,
        validation=headline,
        test=headline,
        gate=verdict_found,
        latency_p50_ms=9.5,
        size_bytes=14_000_000,
        mlflow_run_id="0123456789abcdef",
    )
    heat = rng.random((4, 4)).astype(np.float32)
    photos = [
        Photo(
            Answer(number, "id", 0, 1, 0.9, 0.05),
            rng.integers(0, 256, (side, side, 3)).astype(np.uint8),
            f"{names[0]}/{number}.jpg",
            heat,
        )
        for number in range(num_photos)
    ]
    shown = Showcase(
        mistakes=photos,
        right=photos[:1],
        method="Eigen-CAM",
        pairs=[(pair, photos[:2]) for pair in split.most_confused[:2]],
        doubts=[Doubt(LabelError("test", "id", 0, 1, 0.8), one.pixels, one.path) for one in photos[:1]],
    )
    charts = draw_charts(all_figures, history, 2) | {"architecture": architecture_chart(build_boxes(bundle))}
    pictures = {name: to_png(chart) for name, chart in charts.items()} if with_pictures else {}
    return Content(info, all_figures, dataset, bundle, EvaluateParams(), history, charts, pictures, shown, samples)


def measured(accuracy: Interval) -> dict[str, Any]:
    """What stands in figures.json beside the figures of the two splits."""
    return {
        "calibration": CalibrationFigures(
            temperature=1.7,
            error_before=0.12,
            error_after=0.03,
            log_loss_before=0.9,
            log_loss_after=0.6,
            bins=({"num_images": 50, "sureness": 0.8, "accuracy": accuracy},),
            curve=(
                {"threshold": 0.1, "coverage": 1.0, "accuracy": 0.8},
                {"threshold": 0.9, "coverage": 0.4, "accuracy": 0.97},
            ),
            target_accuracy=0.95,
            threshold=0.71,
            coverage=accuracy,
            answered_accuracy=accuracy,
            familiarity=(
                FamiliarityCheck(kind="the test photos", num_images=9, flagged=accuracy, roc_auc=None),
                FamiliarityCheck(kind="noise", num_images=9, flagged=accuracy, roc_auc=0.61),
            ),
        ),
        "slices": (
            SliceFigures(
                trait="brightness",
                part="dark",
                num_images=40,
                accuracy=Interval(value=0.3, low=0.2, high=0.4),
                p_value=0.0001,
            ),
        ),
        "robustness": tuple(
            RobustnessFigures(disturbance=name, num_images=40, accuracy=accuracy, num_lost=lost, num_won=0)
            for name, lost in (("as they are", 0), ("blurred", 9))
        ),
        "folds": FoldFigures(
            num_folds=5,
            num_images=90,
            what="Heads on frozen features.",
            accuracy=accuracy,
            macro_f1=accuracy,
            accuracies=(0.7, 0.8, 0.9),
        ),
        "num_label_errors": 3,
    }


LOOKS = (
    "12 models have been scored on these test photos. The best of so many owes something to luck; fresh test "
    "photos would show how much."
)


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
        attributes[key]
        for _, attributes in page.elements
        for key in ("src", "href", "xlink:href", "action", "data", "srcset", "poster")
        if key in attributes
    ]
    assert len([address for address in addresses if address.startswith("data:image/")]) >= 3
    assert [address for address in addresses if not address.startswith(("data:", "#"))] == []
    assert not list(page.all("link", "iframe", "object", "embed", "base", "form")) or [
        attributes["href"] for attributes in page.all("link")
    ] == ["data:,"]
    assert re.findall(r"url\((?!#)", text) == []
    assert "@import" not in text
    assert "fetch(" not in text
    assert "http://" not in text.replace("http://127.0.0.1:3000", "")


def test_every_picture_is_described_and_every_table_has_headings(text: str) -> None:
    page = Page(text)
    assert all(attributes.get("alt") for attributes in page.all("img"))
    assert all(attributes.get("role") == "img" and attributes.get("aria-label") for attributes in page.all("svg"))
    assert len(list(page.all("svg"))) == 7
    assert all(attributes.get("scope") for attributes in page.all("th"))
    headings = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
    assert headings[0] == 1
    assert headings.count(1) == 1
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
        "First of its name",
        "Because <b>it</b> is so.",
        f"{num_correct} of 120 test photos were named rightly",
        "2 rejected",
        "truncated",
        "0123456789abcdef.dir",
        "f" * 40,
        "1,234,567",
        "layer_8",
        "model.kind",
        "keras 3.15.1",
        "epoch 2 kept",
        "3.0 times as many training photos",
        "Most confused pairs",
        "cat/0.jpg",
        "darkroom run --params params.yaml --data 'data/my photos; rm -rf $HOME'",
        "curl -F files=@PHOTO.jpg http://127.0.0.1:3000/predict",
    ):
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
        assert INK not in svg
        assert "var(--ink)" in svg
        assert "var(--soft)" in svg
        assert "<style" not in svg
        assert "<metadata" not in svg


def test_a_large_report_stays_under_5_mb() -> None:
    names = tuple(f"a class with a name of its own, number {number}" for number in range(100))
    text = render(content(names, per_class=20, accuracy=0.1, side=512, num_photos=60))
    assert len(text.encode()) < 5_000_000
    assert text.count("<img ") == 60 * 2 + 2 + 2 * 2 + 1, "photos and their maps, a right answer, pairs, a doubt"


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
    assert any(phrase.casefold() in caveat.casefold() for caveat in made.caveats), made.caveats


def test_a_sound_model_has_no_caveats() -> None:
    assert content().caveats == [LOOKS]


def test_an_evaluation_outside_of_mlflow_says_that_its_look_is_not_counted() -> None:
    made = content()
    outside = replace(made, evaluation=made.evaluation.model_copy(update={"mlflow_run_id": None}))
    assert any("will not count it as a look" in caveat for caveat in outside.caveats)


@pytest.mark.parametrize("verdict", ["first", "better", "worse", "cannot tell", "not comparable"])
def test_the_verdict_stands_first_and_says_what_follows(verdict: str) -> None:
    text = render(content(verdict=verdict, num_photos=0))
    assert text.index('id="verdict"') < text.index('id="data"')
    assert ("becomes the champion" in text) == (verdict in ("first", "better"))
    assert ("it is not promoted" in text) == (verdict not in ("first", "better"))


def test_commands_leave_out_what_is_not_known() -> None:
    made = content()
    bare = made.dataset.model_copy(update={"source": Source(uri="photos")})
    evaluation = made.evaluation.model_copy(update={"mlflow_run_id": None})
    known = replace(made, evaluation=evaluation, dataset=bare)
    assert reproduce_commands(known) == "darkroom run --params params.yaml --data photos"


def test_the_params_of_the_report_are_params_that_darkroom_takes(tmp_path: Path) -> None:
    train = TrainParams(epochs=7, batch_size=16)
    made = content(num_photos=0, params=train.model_dump(mode="json"))
    (tmp_path / "params.yaml").write_text(reproduce_params(made))
    loaded = load_params(tmp_path / "params.yaml", ("data.uri=photos",))
    assert loaded.train == train
    assert loaded.evaluate == made.params
    assert (loaded.deploy.model_name, loaded.preprocess.image_size) == ("pets", (32, 32))


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, "0 %"), (1.0, "100 %"), (0.9999, "100.0 %"), (0.12345, "12.3 %"), (None, "–")]
)
def test_percentages_are_short_and_rounded_ones_look_so(share: float | None, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(("num_bytes", "text"), [(9_600, "10 kB"), (592_000, "592 kB"), (9_040_000, "9.0 MB")])
def test_sizes_say_what_there_is(num_bytes: int, text: str) -> None:
    assert file_size(num_bytes) == text


def test_intervals_name_their_unit_once() -> None:
    assert interval(Interval(value=1.0, low=0.903, high=1.0)) == "90.3–100 %"


@pytest.mark.parametrize(("side", "start"), [(8, "data:image/png"), (96, "data:image/png"), (97, "data:image/jpeg")])
def test_tiny_pictures_are_kept_to_the_pixel(side: int, start: str) -> None:
    assert data_uri(np.zeros((side, side, 3), np.uint8)).startswith(start)


@pytest.mark.parametrize(("name", "shown"), [("a" * 22, "a" * 22), ("a" * 23, "a" * 21 + "…"), ("a\x00b", r"a\x00b")])
def test_names_beside_a_chart_are_short_and_printable(name: str, shown: str) -> None:
    assert shorten(name) == shown


def test_the_page_tells_of_calibration_slices_folds_and_labels(text: str) -> None:
    said = " ".join(Page(text).text.split())
    for phrase in (
        "a temperature of 1.70",
        "Answers below 71.0 % are withheld",
        "clearly worse",
        "dark",
        "5 folds",
        "Heads on frozen features.",
        "3 photos look as if the label were wrong",
        "label_errors.csv",
        "Eigen-CAM",
        "With this one, 12 models have been scored",
        "blurred: 9 answers lost",
        "right on 13 and the champion",
        "min_accuracy",
        "One photo takes",
    ):
        assert phrase in said, phrase


def test_the_pdf_is_made_without_a_browser_and_alike_each_time(tmp_path: Path) -> None:
    made = content(HOSTILE, with_pictures=True)
    for name in ("a", "b"):
        write_pdf(tmp_path / f"{name}.pdf", made)
    data = (tmp_path / "a.pdf").read_bytes()
    assert data == (tmp_path / "b.pdf").read_bytes()
    assert data.startswith(b"%PDF-")
    assert len(data) < 5_000_000
    assert data.count(b"/Type /Page\n") >= 4


def test_a_pdf_of_many_classes_and_photos_stays_small(tmp_path: Path) -> None:
    names = tuple(f"a class with a name of its own, number {number}" for number in range(70))
    made = content(names, per_class=5, accuracy=0.3, side=256, num_photos=60, with_pictures=True)
    write_pdf(tmp_path / "report.pdf", made)
    assert (tmp_path / "report.pdf").stat().st_size < 5_000_000


def test_the_model_card_is_markdown_that_no_name_can_break() -> None:
    card = render_card(content(("a|b", "[x](http://evil)", "*c*")))
    assert card.startswith("# pets\n")
    assert "a\\|b" in card
    assert "\\[x\\](http://evil)" in card
    assert "\\*c\\*" in card
    for phrase in ("**Verdict: first.**", "accuracy | ", "darkroom serve", "## Intended use", "git `" + "f" * 40):
        assert phrase in card, phrase


TWO_PHASES = (
    ["head", "head", "all"],
    [
        {"name": "head", "epochs": 2, "learning_rate": 0.001, "schedule": None},
        {"name": "all", "epochs": 5, "optimizer": {"kind": "sgd"}},
    ],
)


@pytest.mark.parametrize(
    ("marks", "settings", "expected"),
    [
        ([], [], ()),
        ([1, 1, 1], [{"epochs": 3}], ()),
        ([1, 1, 2], [], (Phase("1", (1, 2)), Phase("2", (3, 3)))),
        (
            *TWO_PHASES,
            (
                Phase("head", (1, 2), "epochs 2, learning_rate 0.001"),
                Phase("all", (3, 3), "epochs 5, optimizer.kind sgd"),
            ),
        ),
        ([1, 1], [{"epochs": 2}, {"epochs": 5}], (Phase("1", (1, 2), "epochs 2"), Phase("2", None, "epochs 5"))),
    ],
)
def test_phases_come_from_the_epochs_and_from_the_params(
    marks: list[float | str], settings: list[dict[str, Any]], expected: tuple[Phase, ...]
) -> None:
    assert build_phases(marks, settings) == expected


@pytest.mark.parametrize(
    ("phases", "expected"),
    [
        ("auto", []),
        (
            ({"trainable": "head", "epochs": 2}, {"trainable": "last 3", "learning_rate": 0.1}),
            [{"trainable": "head", "epochs": 2}, {"trainable": "last 3", "learning_rate": 0.1}],
        ),
    ],
)
def test_a_phase_tells_what_it_sets_otherwise_than_the_section(phases: Any, expected: list[dict[str, Any]]) -> None:
    params = TrainParams(phases=phases)
    settled = params if phases == "auto" else params.model_copy(update={"phases": params.all_phases})
    assert phase_settings(settled.model_dump(mode="json")) == expected


def test_phases_of_the_training_are_told_and_marked_in_the_curves() -> None:
    made = content(phases=TWO_PHASES, params={"model": {"kind": "layers"}, "phases": TWO_PHASES[1]})
    page = Page(render(made))
    said = " ".join(page.text.split())
    for phrase in (
        "Phases",
        "head1–2epochs 2, learning_rate 0.001",
        "all3epochs 5, optimizer.kind sgd",
        "phases.2.optimizer.kind",
    ):
        assert phrase in said, phrase
    svg = inline_svg(made.charts["loss_curve"], "described", "loss")
    assert ">head</text>" in svg
    assert ">all</text>" in svg
    assert ">head</text>" not in inline_svg(content().charts["loss_curve"], "described", "loss")


def test_the_most_useful_insights_stand_beside_the_verdict(text: str) -> None:
    beginning = Page(text.partition('<section id="data"')[0]).text
    assert all(sentence in beginning for sentence in content().insights[:3])


def test_words_in_charts_can_be_read_on_a_phone() -> None:
    """A phone of 390 px leaves 354 px for a chart."""
    for name, chart in content().charts.items():
        svg = inline_svg(chart, "described", name)
        found = re.search(r'viewBox="0 0 ([\d.]+) ', svg)
        assert found is not None
        scale = max(354, 0.86 * float(found[1])) / float(found[1])
        sizes = [float(size) for size in re.findall(r"font(?:-size)?: (?:\d+ )?([\d.]+)px", svg)]
        assert sizes, name
        assert min(sizes) * scale >= 9.4, (name, min(sizes), scale)


def test_samples_are_shown_where_preprocess_has_left_them(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.new("RGB", (1200, 400), "red").save(file, "jpeg")
    made = content(samples=file.getvalue(), phases=TWO_PHASES, num_photos=0, with_pictures=True)
    assert "A sheet of prepared photos with their classes" in render(made)
    for name, one in (("with", made), ("without", replace(made, samples=None))):
        write_pdf(tmp_path / name, one)
    counts = [(tmp_path / name).read_bytes().count(b"/Subtype /Image") for name in ("with", "without")]
    assert counts[0] == counts[1] + 1


def test_augmentation_is_told_in_words_and_shown() -> None:
    file = io.BytesIO()
    Image.new("RGB", (880, 100), "red").save(file, "jpeg")
    made = replace(content(params={"augmentation": "medium"}), variants=file.getvalue())
    said = " ".join(Page(render(made)).text.split())
    assert "(augmentation: medium): mirrored, turned by up to 15°, scaled by up to 15 %, moved by up to 8 %" in said
    assert "One training photo eight times, as the training saw it" in render(made)
    unvaried = replace(content(params={"augmentation": "none"}), variants=file.getvalue())
    assert "One training photo eight times" not in render(unvaried), "eight times the same tells nothing"
    assert "Augmentation" not in Page(render(content())).text


@pytest.mark.parametrize(
    ("params", "sentences"),
    [
        ({}, []),
        ({"augmentation": "none"}, ["In training the photos were taken as they are, without augmentation."]),
        (
            {"augmentation": {"blur": 1.5, "erasing": 0.25}, "mixup": 0.2},
            [
                "In training the photos were varied at random: blurred by up to 1.5 px, erased in a rectangle, 25 % of "
                "them, mixed with others (mixup, α 0.2).",
                NEVER_VARIED,
            ],
        ),
        (
            {"augmentation": "none", "phases": [{"epochs": 2}, {"augmentation": {"noise": 0.05}}]},
            [
                "In phase 1 of training the photos were taken as they are, without augmentation.",
                "In phase 2 of training the photos were varied at random: made noisy by up to 5 %.",
                NEVER_VARIED,
            ],
        ),
    ],
)
def test_each_phase_says_how_its_photos_varied(params: dict[str, Any], sentences: list[str]) -> None:
    assert augmentation_sentences(params) == sentences


def test_every_setting_of_augmentation_has_its_words() -> None:
    assert set(PHRASES) == set(AugmentationParams.model_fields)


STUDY = StudyInfo(
    name="pets",
    dataset_fingerprint="a" * 64,
    best=2,
    importance={"epochs": 0.2, "learning_rate": 0.8},
    trials=(
        Trial(number=0, state="complete", values={"learning_rate": 0.00123456}, accuracy=0.7, epochs=9, seconds=1.0),
        Trial(number=1, state="pruned", values={"learning_rate": 0.1}, accuracy=0.5, epochs=2, seconds=1.0),
        Trial(number=2, state="complete", values={"model": {"name": "<b>"}}, accuracy=0.8, epochs=8, seconds=1.0),
        Trial(number=3, state="failed", values={}, accuracy=None, epochs=0, seconds=1.0, reason="memory"),
    ),
)


def test_the_search_is_told_with_its_best_trials(tmp_path: Path) -> None:
    made = replace(content(with_pictures=True, num_photos=0), study=STUDY)
    said = " ".join(Page(render(made)).text.split())
    for phrase in (
        "4 trainings were tried and compared on the validation photos: 2 to the end, 1 ended early as hopeless",
        "Trial 3 was the best with 80.0 %, where 70.0 % was usual",
        "came from: learning_rate 80.0 %, epochs 20.0 %.",
        "Trial 3: 80.0 %, 8 epochs. model.name <b>",
        "Trial 1: 70.0 %, 9 epochs. learning_rate 0.00123",
    ):
        assert phrase in said, phrase
    for name, one in (("with", made), ("without", replace(made, study=None))):
        write_pdf(tmp_path / name, one)
    assert len((tmp_path / "with").read_bytes()) > len((tmp_path / "without").read_bytes())
    assert "The search for its params" not in render(content())


def leaderboard_row(name: str, value: float, p_value: float | None) -> Row:
    figure = Interval(value=value, low=value - 0.05, high=value + 0.05)
    return Row(
        name=name,
        seeds=(42,),
        accuracies=(value,),
        accuracy=figure,
        macro_f1=value,
        num_parameters=1234567,
        bundle_mb=30.5,
        latency_ms=9.5,
        latency_of_8_ms=61.0,
        train_minutes=2.5,
        on_front=p_value is None,
        p_value=p_value,
        tied=p_value is None,
    )


def test_what_the_model_was_preferred_to_is_shown_where_it_was_compared(tmp_path: Path) -> None:
    board = Leaderboard(
        dataset_name="pets",
        num_images=120,
        pick="CNN",
        reason="Take CNN: it is best.",
        rows=(
            leaderboard_row("CNN", 0.9, None),
            leaderboard_row("<b>VGG16</b>", 0.8, 0.01),
        ),
    )
    without = content(num_photos=0, with_pictures=True)
    made = replace(without, params=EvaluateParams(leaderboard=board))
    said = " ".join(Page(render(made)).text.split())
    for phrase in (
        "Take CNN: it is best.",
        "● CNN pick 90.0 % 85.0–95.0 %",
        "○ <b>VGG16</b> 80.0 %",
        "30.5 MB",
        "9.5 ms 61.0 ms 2.5 min",
    ):
        assert phrase in said, phrase
    assert "What it was preferred to" not in render(without)
    for name, one in (("with", made), ("without", without)):
        write_pdf(tmp_path / name, one)
    assert len((tmp_path / "with").read_bytes()) > len((tmp_path / "without").read_bytes())


def test_a_backbone_is_one_box_with_the_shape_that_it_gives() -> None:
    facts = ModelFacts(
        kind="pretrained",
        name="MobileNetV2",
        num_parameters=2_270_794,
        num_trained_parameters=12_810,
        trained_layers=("logits",),
        num_layers=158,
    )
    head = ["GlobalAveragePooling2D", {"Dropout": {"rate": 0.5}}]
    params = {"model": {"name": "MobileNetV2", "weights": "imagenet", "head": head}}
    names = tuple(f"class {number}" for number in range(10))
    boxes = build_boxes(content(names, side=224, num_photos=0, model=facts, params=params).bundle)
    assert [(box.name, box.output_shape, box.num_parameters, box.state) for box in boxes[1:]] == [
        ("MobileNetV2", "7 × 7 × 1280", 2_257_984, "frozen"),
        ("GlobalAveragePooling2D", "1280", 0, ""),
        ("Dropout 0.5", "1280", 0, ""),
        ("Dense, one number per class", "10", 12_810, "trained"),
    ]


@pytest.mark.parametrize(
    ("model", "shown"),
    [
        (
            {"kind": "upload", "name": "MobileNetV2", "head": "vgg"},
            ["MobileNetV2", "Flatten", "Dense 256, relu", "Dropout 0.5", "Dense, one number per class"],
        ),
        (
            {"kind": "upload", "name": "MobileNetV2", "head": "linear", "layer": "block_3_add"},
            ["MobileNetV2", "GlobalAveragePooling2D", "Dropout 0.5", "Dense, one number per class"],
        ),
        ({"kind": "upload", "head": None}, ["MobileNetV2"]),
        ({"kind": "pretrained", "name": "MobileNetV2", "head": "imagenet"}, ["MobileNetV2"]),
    ],
)
def test_every_way_to_a_model_has_a_picture(model: dict[str, Any], shown: list[str]) -> None:
    facts = ModelFacts(
        kind=model["kind"],
        name="MobileNetV2",
        num_parameters=5_270_794,
        num_trained_parameters=12_810,
        trained_layers=("logits",),
        num_layers=157,
    )
    names = tuple(f"class {number}" for number in range(10))
    boxes = build_boxes(content(names, side=224, num_photos=0, model=facts, params={"model": model}).bundle)
    assert [box.name for box in boxes[1:]] == shown
