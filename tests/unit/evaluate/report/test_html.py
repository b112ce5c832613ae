"""The report is self-contained and accessible to blind readers, and no name can inject code."""

import itertools
import re
from collections import Counter

import pytest

from components.evaluate.report.html import render
from tests.unit.evaluate.report.contents import HOSTILE, Page, content


@pytest.fixture(scope="module")
def text() -> str:
    return render(content())


def test_the_report_loads_no_other_files(text: str) -> None:
    page = Page(text)
    addresses = [
        attributes[key]
        for _, attributes in page.elements
        for key in ("src", "href", "xlink:href", "action", "data", "srcset", "poster")
        if key in attributes
    ]
    assert len([address for address in addresses if address.startswith("data:image/")]) >= 3
    assert [address for address in addresses if not address.startswith(("data:", "#"))] == []
    assert [attributes["href"] for attributes in page.all("link")] == ["data:,"]
    assert not list(page.all("iframe", "object", "embed", "base", "form"))
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


def test_ids_are_unique_and_references_are_valid(text: str) -> None:
    page = Page(text)
    ids = Counter(attributes["id"] for _, attributes in page.elements if "id" in attributes)
    assert [name for name, count in ids.items() if count > 1] == []
    targets = {attributes["href"][1:] for _, attributes in page.elements if attributes.get("href", "").startswith("#")}
    targets |= set(re.findall(r"url\(#([^)]+)\)", text))
    assert targets <= set(ids)


def test_the_report_contains_the_required_sections(text: str) -> None:
    page_text = " ".join(Page(text).text.split())
    num_correct = content().figures.test.num_correct
    for phrase in (
        "First model",
        "Because <b>it</b> is so.",
        f"{num_correct} of 120 test photos were classified correctly",
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
        assert phrase in page_text, phrase


def test_hostile_class_names_are_shown_as_text() -> None:
    text = render(content(HOSTILE, num_photos=2))
    page = Page(text)
    assert "<script>alert" not in text
    assert len(list(page.all("script"))) == 1
    assert {attributes["src"][:11] for attributes in page.all("img")} == {"data:image/"}
    assert all("onerror" not in attributes for _, attributes in page.elements)
    assert page.text.count("$\\frac{a}{b}$ & {{ 7 * 7 }}") >= 3
    assert "<script>alert(1)</script>" in page.text
    assert "🐱" in page.text


def test_a_large_report_stays_under_5_mb() -> None:
    names = tuple(f"a class with a name of its own, number {number}" for number in range(100))
    text = render(content(names, per_class=20, accuracy=0.1, side=512, num_photos=60))
    assert len(text.encode()) < 5_000_000
    assert text.count("<img ") == 60 * 2 + 2 + 2 * 2 + 1, (
        "must show mistakes with heat maps, a correct answer with its heat map, confused pairs and a doubtful label"
    )


@pytest.mark.parametrize("verdict", ["first", "better", "worse", "cannot tell", "not comparable"])
def test_the_verdict_comes_first_and_reports_whether_the_model_is_promoted(verdict: str) -> None:
    text = render(content(verdict=verdict, num_photos=0))
    assert text.index('id="verdict"') < text.index('id="data"')
    assert ("becomes the champion" in text) == (verdict in ("first", "better"))
    assert ("it is not promoted" in text) == (verdict not in ("first", "better"))


def test_the_page_reports_calibration_slices_folds_and_label_errors(text: str) -> None:
    page_text = " ".join(Page(text).text.split())
    for phrase in (
        "a temperature of 1.70",
        "Answers with a confidence below 71.0 % are withheld",
        "clearly worse",
        "dark",
        "5 folds",
        "Heads on frozen features.",
        "3 photos look mislabeled",
        "label_errors.csv",
        "the more the score drops if the area is covered",
        "With this one, 12 models have been scored",
        "blurred: 9 lost",
        "correct on 13 and the champion",
        "min_accuracy",
        "Time per photo",
    ):
        assert phrase in page_text, phrase


def test_the_most_useful_insights_are_next_to_the_verdict(text: str) -> None:
    beginning = Page(text.partition('<section id="data"')[0]).text
    assert all(sentence in beginning for sentence in content().insights[:3])
