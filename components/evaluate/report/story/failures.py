"""Shows where the model fails: errors, weak slices, doubtful labels and outliers."""

from collections.abc import Sequence

from components.contract.artifacts.figures import AllFigures, SliceFigures
from components.contract.pages import blocks
from components.contract.pages.blocks import (
    Beside,
    Block,
    Cell,
    Column,
    Heading,
    Mark,
    Photos,
    Section,
    Table,
    Text,
    Words,
    plain,
)
from components.evaluate.formatting import interval, percent
from components.evaluate.measure.slices import is_clear
from components.evaluate.report.model import (
    EXPLANATION_TEXTS,
    Content,
    Photo,
    charts_of,
    file_name,
)
from components.evaluate.report.spotlight import spotlight
from components.evaluate.report.story.verdict import track

MOST_SLICES = 12


def mistake_section(content: Content) -> Section:
    """Wrong answers with their explanations, and some correct ones."""
    showcase, test = content.showcase, content.figures.test
    num_wrong = test.num_images - test.num_correct
    shown: list[Block] = []
    if num_wrong == 0:
        shown = [Text("No test photo was classified incorrectly.")]
    elif showcase.mistakes:
        extent = (
            "All wrong answers, the most confident first."
            if len(showcase.mistakes) == num_wrong
            else f"The most confident of {num_wrong:,} wrong answers."
        )
        shown = [
            Text(f"{extent} Check the labels too: some may be wrong.", "soft"),
            Text(EXPLANATION_TEXTS[showcase.method], "soft lead"),
            _explained(content, showcase.mistakes),
        ]
    else:
        setting = Mark("code", "evaluate.report_photos")
        shown = [Text((f"Number of wrong answers: {num_wrong:,}. None is shown because ", setting, " is 0."))]
    if showcase.right:
        shown += [Heading("Some correct answers, for comparison"), _explained(content, showcase.right)]
    return Section("mistakes", "Errors", shown, "Mistakes")


def _explained(content: Content, photos: Sequence[Photo]) -> Photos:
    """Photos, each beside the explanation of its answer."""
    return Photos([_explained_photo(photo, content.figures.class_names) for photo in photos], "wide")


def _explained_photo(photo: Photo, class_names: Sequence[str]) -> blocks.Photo:
    answer = photo.answer
    label, predicted = class_names[answer.label], class_names[answer.predicted]
    outcome: tuple[str | Mark, ...] = ("classified correctly",)
    if answer.label != answer.predicted:
        outcome = ("predicted as ", Mark("strong", predicted))
    pictures, descriptions = [photo.pixels], [f"A test photo of {label} that was {plain(outcome)}"]
    if photo.heat is not None:
        pictures.append(spotlight(photo.pixels, photo.heat))
        descriptions.append("The same photo, bright in the areas that mattered for the answer")
    caption = (Mark("strong", label), ", ", *outcome, f" ({percent(answer.probability)})")
    return blocks.Photo(pictures, descriptions, caption, photo.path)


def slice_section(content: Content) -> Section:
    """Slices with low accuracy, and robustness."""
    slices, test = content.figures.slices, content.figures.test
    body: list[Block] = [Text("There are too few test photos to compare slices.")]
    if slices:
        extent = f" ({MOST_SLICES} of {len(slices)})" if len(slices) > MOST_SLICES else ""
        columns: list[Column | str] = [
            "Photos",
            "Number",
            "Accuracy",
            Column("Interval", "roomy soft"),
            Column("0 to 100 %", "roomy"),
            Column("Different from other photos?", "word"),
        ]
        rows: list[list[Cell]] = [
            [
                (f"{item.part} ", Mark("soft", f"by {item.trait}")),
                f"{item.num_images:,}",
                percent(item.accuracy.value),
                interval(item.accuracy),
                track(item.accuracy),
                _difference(item, slices, test.accuracy.value),
            ]
            for item in slices[:MOST_SLICES]
        ]
        body = [
            Text(
                f"Groups of test photos with a common property other than their class, least accurate first{extent}. A "
                "slice is clearly worse or better if its difference from the other photos is significant at the 5 % "
                f"level, corrected for the number of slices ({len(slices)}).",
                "soft",
            ),
            Table(columns, rows, "Accuracy by slice"),
        ]
    return Section("slices", "Slices", [*body, *_robustness(content)], "Slices")


def _difference(item: SliceFigures, slices: Sequence[SliceFigures], accuracy: float) -> Words:
    if not is_clear(item, slices):
        return "may be chance"
    return Mark("strong", f"clearly {'worse' if item.accuracy.value < accuracy else 'better'}")


def _robustness(content: Content) -> list[Block]:
    checks = content.figures.robustness
    points = "; ".join(f"{check.disturbance} {percent(check.accuracy.value)}" for check in checks)
    chart = charts_of(content, ("robustness", f"Accuracy on the same photos, by change: {points}."))
    if not chart:
        return []
    changes = "; ".join(f"{check.disturbance}: {check.num_lost} lost, {check.num_won} gained" for check in checks[1:])
    text = f"Number of test photos scored again: {checks[0].num_images:,}. Correct answers lost and gained: {changes}."
    return [Heading("Robustness"), Beside(chart, [Text(text, "soft small")])]


def label_section(content: Content) -> Section:
    """Photos whose label may be wrong."""
    figures, names = content.figures, content.figures.class_names
    if figures.num_label_errors == 0:
        extent = (
            f" among the {figures.num_searched:,} that were searched in all splits"
            if figures.num_searched
            else " in validation and test; training photos were not searched"
        )
        return Section(
            "labels",
            "Doubtful labels",
            [Text(f"No photo looks mislabeled{extent}.")],
            "Doubtful labels",
        )
    photos = []
    for doubt in content.showcase.doubts:
        label, suggested = names[doubt.error.label], names[doubt.error.suggested]
        photos.append(
            blocks.Photo(
                [doubt.pixels],
                [f"A photo labeled {label} that looks like {suggested}"],
                f"labeled {label}; looks like {suggested} ({percent(doubt.error.confidence)})",
                file_name(doubt.path),
            )
        )
    return Section(
        "labels", "Doubtful labels", [Text(_label_text(figures), "soft"), Photos(photos, "small")], "Doubtful labels"
    )


def _label_text(figures: AllFigures) -> Words:
    num, num_searched = figures.num_label_errors, figures.num_searched
    among = f", out of {num_searched:,} photos in all splits" if num_searched else ""
    head = ": for training photos, a cross-fitted linear head on the network’s features" if num_searched else ""
    return (
        f"{num:,} photo{'s look' if num > 1 else ' looks'} mislabeled{among}. The method is confident learning "
        f"(Northcutt et al., 2021) with probabilities from a model that was not trained on the photo{head}. The file ",
        Mark("code", "label_errors.csv"),
        " ranks all such photos: correct the labels in its column ",
        Mark("code", "label"),
        ", delete the rows of photos whose label is right, and pass the file to ",
        Mark("code", "darkroom data relabel"),
        ".",
    )


def outlier_section(content: Content) -> Section:
    """Photos unlike the others."""
    figures, names = content.figures, content.figures.class_names
    body: list[Block]
    if not figures.num_searched:
        setting = Mark("code", "evaluate.searched_photos")
        body = [Text(("The search for outliers was skipped: ", setting, " is 0, or there are no training photos."))]
    elif figures.num_outliers == 0:
        body = [Text(f"None of the {figures.num_searched:,} photos searched in all splits is far from the others.")]
    else:
        photos = [
            blocks.Photo(
                [photo.pixels],
                [f"A photo of {names[photo.outlier.label]} that is unlike the others"],
                f"{names[photo.outlier.label]}, {photo.outlier.split}; distance {photo.outlier.distance:.2f}",
                file_name(photo.path),
            )
            for photo in content.showcase.outliers
        ]
        text = (
            f"{figures.num_outliers:,} of the {figures.num_searched:,} photos searched in all splits "
            f"{'are' if figures.num_outliers > 1 else 'is'} far from the others, measured as the mean cosine distance "
            "between the network’s features of a photo and those of the ten nearest photos. Such photos often show "
            "none of the classes. ",
            Mark("code", "outliers.csv"),
            " ranks all of them.",
        )
        body = [Text(text, "soft"), Photos(photos, "small")]
    return Section("outliers", "Outliers", body, "Outliers")
