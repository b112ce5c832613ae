"""The PDF report is small and reproducible, and contains the hyperparameter search and the leaderboard."""

import io
from dataclasses import replace
from pathlib import Path

from PIL import Image

from components.contract.artifacts.figures import Interval
from components.contract.artifacts.leaderboard import Leaderboard, Row
from components.contract.artifacts.study import StudyInfo, Trial
from components.contract.pages.blocks import Heading
from components.contract.params.pipeline import EvaluateParams
from components.evaluate.report.html import render
from components.evaluate.report.pdf.document import lay_out, write_pdf
from components.evaluate.report.story.report import build_sections
from tests.unit.evaluate.report.contents import HOSTILE, TWO_PHASES, Page, content


def test_the_pdf_is_reproducible_and_needs_no_browser(tmp_path: Path) -> None:
    report_content = content(HOSTILE, with_pictures=True)
    for name in ("a", "b"):
        write_pdf(tmp_path / f"{name}.pdf", report_content)
    data = (tmp_path / "a.pdf").read_bytes()
    assert data == (tmp_path / "b.pdf").read_bytes()
    assert data.startswith(b"%PDF-")
    assert len(data) < 5_000_000
    assert data.count(b"/Type /Page\n") >= 4


def test_the_page_and_the_pdf_have_the_same_sections_and_headings() -> None:
    report_content = content(with_pictures=True)
    sections = build_sections(report_content)
    headings = {section.title for section in sections if section.title}
    headings |= {block.text for section in sections for block in section.blocks if isinstance(block, Heading)}
    paper_texts = {getattr(part, "text", "") for part in lay_out(report_content)}
    assert len(headings) > 20
    assert headings <= paper_texts
    page_text = Page(render(report_content)).text
    assert all(heading in page_text for heading in headings)


def test_a_pdf_of_many_classes_and_photos_stays_small(tmp_path: Path) -> None:
    names = tuple(f"a class with a name of its own, number {number}" for number in range(70))
    report_content = content(names, per_class=5, accuracy=0.3, side=256, num_photos=60, with_pictures=True)
    write_pdf(tmp_path / "report.pdf", report_content)
    assert (tmp_path / "report.pdf").stat().st_size < 5_000_000


def test_samples_are_shown_if_preprocess_wrote_them(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.new("RGB", (1200, 400), "red").save(file, "jpeg")
    report_content = content(samples=file.getvalue(), phases=TWO_PHASES, num_photos=0, with_pictures=True)
    assert "A sheet of prepared photos with their classes" in render(report_content)
    for name, variant in (("with", report_content), ("without", replace(report_content, samples=None))):
        write_pdf(tmp_path / name, variant)
    counts = [(tmp_path / name).read_bytes().count(b"/Subtype /Image") for name in ("with", "without")]
    assert counts[0] == counts[1] + 1


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


def test_the_search_is_reported_with_its_best_trials(tmp_path: Path) -> None:
    report_content = replace(content(with_pictures=True, num_photos=0), study=STUDY)
    page_text = " ".join(Page(render(report_content)).text.split())
    for phrase in (
        "4 training runs were compared on the validation photos: 2 completed, 1 stopped early",
        "Trial 3 was chosen, with an accuracy of 80.0 %; the median was 70.0 %",
        "in accuracy: learning_rate 80.0 %, epochs 20.0 %.",
        "Trial 3: 80.0 %, 8 epochs. model.name <b>",
        "Trial 1: 70.0 %, 9 epochs. learning_rate 0.00123",
    ):
        assert phrase in page_text, phrase
    for name, variant in (("with", report_content), ("without", replace(report_content, study=None))):
        write_pdf(tmp_path / name, variant)
    assert len((tmp_path / "with").read_bytes()) > len((tmp_path / "without").read_bytes())
    assert "Hyperparameter search" not in render(content())


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


def test_compared_models_are_shown_if_there_was_a_comparison(tmp_path: Path) -> None:
    board = Leaderboard(
        dataset_name="pets",
        num_images=120,
        pick="CNN",
        reason="Use CNN: it is the best.",
        rows=(
            leaderboard_row("CNN", 0.9, None),
            leaderboard_row("<b>VGG16</b>", 0.8, 0.01),
        ),
    )
    without = content(num_photos=0, with_pictures=True)
    report_content = replace(without, params=EvaluateParams(leaderboard=board))
    page_text = " ".join(Page(render(report_content)).text.split())
    for phrase in (
        "Use CNN: it is the best.",
        "● CNN pick90.0 %85.0–95.0 %",
        "○ <b>VGG16</b>80.0 %",
        "30.5 MB",
        "9.5 ms61.0 ms2.5 min",
    ):
        assert phrase in page_text, phrase
    assert "Compared models" not in render(without)
    for name, variant in (("with", report_content), ("without", without)):
        write_pdf(tmp_path / name, variant)
    assert len((tmp_path / "with").read_bytes()) > len((tmp_path / "without").read_bytes())
