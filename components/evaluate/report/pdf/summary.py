"""The first part of the report on paper: the verdict, the data, the model and its training."""

from components.evaluate.formatting import epoch_range, file_size, interval, percent, pluralize
from components.evaluate.report.augmentation import NEVER_VARIED, augmentation_sentences
from components.evaluate.report.leaderboard_page import HEADINGS, leaderboard_sentences, row_cells
from components.evaluate.report.model import VERDICT_WORDS, Content, balance_sentence, shrink_sheet, train_params
from components.evaluate.report.pdf.story import PAGE, WIDTH, Story
from components.evaluate.report.search import best_trials, search_sentences, trial_row


def add_verdict(story: Story, content: Content) -> None:
    """What the model is worth, and what to know before using it."""
    info, test, gate = content.evaluation, content.figures.test, content.evaluation.gate
    story.text(info.model_name, "title")
    story.text(
        f"{content.bundle.model.name} on {pluralize(content.dataset.num_kept)} of {len(info.class_names)} "
        f"classes, scored on {pluralize(test.num_images, 'test photo')} that took no part in any choice.",
        "soft",
    )
    story.text(f"Verdict: {VERDICT_WORDS[gate.verdict]}", "verdict")
    story.list_items(gate.reasons)
    story.text(
        "It becomes the champion as soon as its service has given the same answers."
        if gate.promotes
        else "It can be served, but it is not promoted."
    )
    if gate.looks is not None:
        story.text(f"Models scored on these test photos, this one included: {gate.looks}.", "soft")
    story.table(
        [["", "test", "95 % interval"]]
        + [
            [name, percent(figure.value), interval(figure)]
            for name, figure in (("Accuracy", test.accuracy), ("Macro F1", test.macro_f1))
        ],
        (0.34, 0.2, 0.3),
    )
    if content.caveats:
        story.text("Know before you trust it", "h3")
        story.list_items(content.caveats)


def add_data(story: Story, content: Content) -> None:
    """Which photos there were, and how they were prepared."""
    dataset = content.dataset
    story.heading("Data")
    counts = ", ".join(f"{dataset.num_images(split)} for {split}" for split in dataset.counts)
    story.text(
        f"{pluralize(dataset.num_kept)} were kept, {counts}; {dataset.num_rejected} files were rejected."
        f"{balance_sentence(dataset)}"
    )
    story.table(
        [["class", "train", "validation", "test"]]
        + [
            [name, *(str(dataset.counts[split].get(name, 0)) for split in dataset.counts)]
            for name in dataset.class_names
        ],
        (0.4, 0.15, 0.15, 0.15),
    )
    source = dataset.source
    story.text(
        f"Source: {source.uri}. Fingerprint {dataset.fingerprint[:16]}; "
        f"DVC {source.dvc or 'none'}; git {source.git_revision or 'none'}.",
        "soft",
    )
    if content.samples is not None:
        story.text("Samples, as they were prepared", "h3")
        story.picture(shrink_sheet(content.samples), 0.6 * WIDTH, 0.4 * PAGE[1])
    story.text("Preprocessing", "h3")
    height, width = dataset.image_size
    story.text(
        f"Every photo was decoded once, turned as its EXIF says, made RGB and brought to {height} × {width} "
        f"px ({dataset.resize}); the median photo had {dataset.native_size[0]} × {dataset.native_size[1]}. "
        "The service does exactly the same."
    )
    augmentation_texts = augmentation_sentences(content.bundle.params)
    if augmentation_texts:
        story.text("Augmentation", "h3")
        story.text(" ".join(augmentation_texts))
        if content.variants is not None and NEVER_VARIED in augmentation_texts:
            story.picture(shrink_sheet(content.variants), 0.9 * WIDTH, 0.3 * PAGE[1])


def add_model(story: Story, content: Content) -> None:
    """The network, its training, and how its params were chosen."""
    facts, bundle, info = content.bundle.model, content.bundle, content.evaluation
    story.heading("Model and training")
    speed = ""
    if info.latency_p50_ms is not None and info.size_bytes is not None:
        speed = f" One photo takes {info.latency_p50_ms:.1f} ms here; the graph has {file_size(info.size_bytes)}."
    story.text(
        f"{facts.name} ({facts.kind}): {facts.num_parameters:,} parameters, "
        f"{facts.num_trained_parameters:,} of them trained; {bundle.epochs_run} epochs run, epoch "
        f"{bundle.best_epoch} kept.{speed}"
    )
    story.chart(content, "architecture", 0.74)
    story.charts_beside(content, "loss_curve", "accuracy_curve")
    if content.history.phases:
        story.table(
            [["phase", "epochs", "settings"]]
            + [[phase.name, epoch_range(phase.epochs), phase.settings] for phase in content.history.phases],
            (0.18, 0.14, 0.66),
        )
    if content.study is not None:
        story.text("The search for its params", "h3")
        story.text(" ".join(search_sentences(content.study)))
        story.table(
            [["trial", "accuracy", "epochs", "values"], *map(trial_row, best_trials(content.study))],
            (0.1, 0.13, 0.11, 0.64),
        )
    board = content.params.leaderboard
    if board is not None:
        story.text("What it was preferred to", "h3")
        story.text(" ".join(leaderboard_sentences(board)))
        story.table(
            [HEADINGS, *map(row_cells, board.rows)], (0.17, 0.09, 0.12, 0.08, 0.12, 0.1, 0.09, 0.09, 0.09, 0.05)
        )
    if content.study is not None or board is not None:
        story.text("Hyperparameters", "h3")
    story.table(
        [["parameter", "value"], *([key, value] for key, value in train_params(bundle) if len(value) < 200)],
        (0.42, 0.56),
    )
