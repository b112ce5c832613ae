"""The verdict, the two main metrics, and what to know before using the model."""

from components.contract.artifacts.figures import Figures, Interval
from components.contract.pages.blocks import Block, Heading, Headline, Headlines, Items, Section, Text, Track, Verdict
from components.evaluate.formatting import interval, per_hundred, percent
from components.evaluate.report.model import VERDICT_WORDS, Content

IN_SHORT = 3
"""The number of insights shown next to the verdict, for readers who read no further."""


def track(figure: Interval) -> Track:
    """A metric between 0 and 1 and its interval, drawn as a line on a track."""
    return Track(figure.low, figure.value, figure.high)


def verdict_section(content: Content) -> Section:
    """The verdict, the main metrics, the limitations and the first insights."""
    gate, test = content.evaluation.gate, content.figures.test
    reasons: Block = Text(gate.reasons[0]) if len(gate.reasons) == 1 else Items(gate.reasons)
    consequence = (
        "This model becomes the champion once deploy has verified that the service returns the predictions of this "
        "evaluation."
        if gate.promotes
        else "This model can be served, but it is not promoted."
    )
    looks = ""
    if gate.looks is not None:
        subject = "No other model has" if gate.looks == 1 else f"With this one, {gate.looks:,} models have"
        looks = f" {subject} been scored on these test photos."
    caveats: list[Block] = []
    if content.caveats:
        caveats = [Heading("Limitations"), Items(content.caveats, "caveats")]
    tone = "good" if gate.promotes else "bad"
    return Section(
        "verdict",
        "",
        [
            Verdict(VERDICT_WORDS[gate.verdict], tone, [reasons, Text(f"{consequence}{looks}")]),
            Headlines([_headline("Accuracy", test.accuracy, _accuracy_text(test)), _macro_f1(test)]),
            *caveats,
            Heading("In short"),
            Items(content.insights[:IN_SHORT], "short"),
        ],
    )


def _macro_f1(test: Figures) -> Headline:
    absent = " Classes without test photos are left out." if test.absent_classes else ""
    text = "Combines precision and recall, averaged over the classes so that rare and common classes count equally."
    return _headline("Macro F1", test.macro_f1, f"{text}{absent}")


def _headline(title: str, figure: Interval, text: str) -> Headline:
    return Headline(title, percent(figure.value), interval(figure), track(figure), text)


def _accuracy_text(test: Figures) -> str:
    if test.num_images == 1:
        fact = f"The only test photo was classified {'correctly' if test.num_correct else 'incorrectly'}."
    else:
        fact = f"{test.num_correct:,} of {test.num_images:,} test photos were classified correctly."
    return (
        f"{fact} On new photos of the same kind, expect {int(100 * test.accuracy.low)} to "
        f"{per_hundred(test.accuracy.high)} correct answers in a hundred."
    )
