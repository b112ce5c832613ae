"""With a thousand classes, the report has a searchable list of confused pairs and stays small."""

import json
import tracemalloc

import numpy as np
import pytest

from components.contract.artifacts.figures import Figures
from components.evaluate.measure.metrics import compute_figures, confused_pairs
from components.evaluate.report.html import render
from components.evaluate.report.model import Content
from components.evaluate.report.model_card import render_card
from components.evaluate.report.pdf.document import lay_out
from tests.unit.evaluate.report.contents import content

NUM_CLASSES = 1000


@pytest.fixture(scope="module")
def thousand() -> Content:
    names = tuple(f"article {number}" for number in range(NUM_CLASSES))
    return content(names, per_class=2, num_photos=0, with_pictures=True)


def test_the_page_lists_every_confused_pair_in_a_searchable_table(thousand: Content) -> None:
    page = render(thousand)
    pairs = confused_pairs(thousand.figures.test.confusion_matrix, thousand.figures.class_names)
    assert 'data-search="Search the confused pairs"' in page
    assert 'data-search="Search the classes"' in page
    assert "function addSearch" in page
    assert "every confused pair" in page
    table = page[page.index('data-search="Search the confused pairs"') :]
    table = table[: table.index("</table>")]
    assert table.count("<tr>") == 1 + len(pairs)
    assert f'{pairs[-1].class_name}</th><td class="word">{pairs[-1].predicted_as}<' in table
    assert len(page) < 3_000_000


def test_the_pdf_and_the_model_card_show_the_most_confused_and_the_weakest_classes(thousand: Content) -> None:
    texts = [getattr(part, "text", "") for part in lay_out(thousand)]
    assert "Most confused pairs" in texts
    assert any("more, in report.html" in text for text in texts)
    card = render_card(thousand)
    assert "and 940 more" in card
    assert card.count("| article ") == 60
    assert "contain all 1000" in card


def test_the_figures_file_of_a_thousand_classes_is_small_and_exact() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, NUM_CLASSES, 3000).astype(np.int32)
    probabilities = rng.random((3000, NUM_CLASSES), np.float32) ** 8
    probabilities[np.arange(3000), labels] += 0.9
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    names = [str(number) for number in range(NUM_CLASSES)]
    tracemalloc.start()
    figures = compute_figures(labels, probabilities, names, resamples=100, rng=rng)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300e6
    text = figures.model_dump_json()
    assert len(text) < 1_000_000
    assert Figures.model_validate_json(text) == figures
    assert figures.confusion_matrix.sum() == 3000
    assert np.trace(figures.confusion_matrix) == figures.num_correct


def test_figures_that_an_earlier_version_wrote_with_the_whole_matrix_can_be_read() -> None:
    labels, probabilities = np.array([0, 0, 1], np.int32), np.eye(2, dtype=np.float32)[[0, 1, 1]]
    figures = compute_figures(labels, probabilities, ("a", "b"), resamples=100, rng=np.random.default_rng(0))
    tree = json.loads(figures.model_dump_json())
    del tree["confusions"]
    tree["confusion_matrix"] = [[1, 1], [0, 1]]
    assert Figures.model_validate_json(json.dumps(tree)).confusion_matrix.tolist() == [[1, 1], [0, 1]]
