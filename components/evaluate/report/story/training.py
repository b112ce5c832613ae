"""Describes how the model was trained, and which models it was compared with."""

from collections.abc import Iterator

from components.contract.pages.blocks import Block, Charts, Column, Fold, Heading, Items, Mark, Section, Table, Text
from components.evaluate.formatting import epoch_range, estimate
from components.evaluate.report.leaderboard_page import board_blocks, leaderboard_sentences
from components.evaluate.report.model import Content, charts_of, train_params
from components.evaluate.report.search import best_trials, search_sentences, trial_row


def training_section(content: Content) -> Section:
    """The curves, phases, probed networks, search, leaderboard and params."""
    params = [[Mark("code", key), Mark("code", value)] for key, value in train_params(content.bundle)]
    return Section(
        "training",
        "Training",
        [
            *_curves(content),
            *_probe(content),
            *_search(content),
            *_board(content),
            *([Fold("Hyperparameters", [Table([], params, "Hyperparameters")])] if params else []),
        ],
        "Training",
    )


def _curves(content: Content) -> Iterator[Block]:
    bundle, params, phases = content.bundle, content.bundle.params, content.history.phases
    charts = charts_of(content, *((f"{metric}_curve", _describe(content, metric)) for metric in ("loss", "accuracy")))
    if not charts:
        yield Text("The model bundle has no training history, so there are no curves.")
        return
    settings = ""
    if params.get("optimizer"):
        settings = (
            f" Optimizer {params['optimizer']}, learning rate {params['learning_rate']:.3g}, batch size "
            f"{params['batch_size']}."
        )
    yield Text(
        "Solid: training photos. Dashed: validation photos, which were used to select epoch "
        f"{bundle.best_epoch} of {bundle.epochs_run}.{settings}",
        "soft",
    )
    yield Charts(charts)
    if phases:
        yield Heading("Phases")
        yield Table(
            ["Phase", Column("Epochs", "word"), Column("Settings", "word")],
            [[phase.name, epoch_range(phase.epochs), phase.settings] for phase in phases],
            "Training phases",
        )


def _describe(content: Content, metric: str) -> str:
    curves = content.history.curves
    ranges = ", ".join(
        f"{name} from {curves[key][0]:.3f} to {curves[key][-1]:.3f}"
        for name, key in (("training", metric), ("validation", f"val_{metric}"))
        if curves.get(key)
    )
    return f"{metric.capitalize()} per epoch: {ranges}; the weights of epoch {content.bundle.best_epoch} were kept."


def _probe(content: Content) -> Iterator[Block]:
    probe = content.bundle.probe
    if probe is None:
        return
    yield Heading("Choice of network")
    if probe.num_photos:
        yield Text(
            f"For each network, a linear head on its frozen features was cross-validated on {probe.num_photos:,} "
            f"training photos. {probe.why}"
        )
    else:
        yield Text(probe.why)
        return
    rows = [
        [
            network.name,
            estimate(network.accuracy) if network.accuracy else network.reason or "",
            f"{network.ms_per_photo:.1f}" if network.ms_per_photo is not None else "",
            "yes" if network.is_tied else "",
        ]
        for network in probe.networks
    ]
    columns = (
        Column("Network", "word"),
        Column("Accuracy", "word"),
        "ms per photo",
        Column("Tied with the best", "word"),
    )
    yield Table(columns, rows, "Probed networks")


def _search(content: Content) -> Iterator[Block]:
    if content.study is None:
        return
    yield Heading("Hyperparameter search")
    yield Text(" ".join(search_sentences(content.study)))
    yield Items(
        [
            (f"Trial {number}: {accuracy}, {epochs} epoch{'s' if epochs != '1' else ''}. ", Mark("soft small", values))
            for number, accuracy, epochs, values in map(trial_row, best_trials(content.study))
        ]
    )
    yield Text(
        (
            "The validation photos were used to choose among all trials, so the best accuracy is too optimistic. ",
            Mark("code", "study.html"),
            ", in the run's folder, shows every trial.",
        ),
        "soft small",
    )


def _board(content: Content) -> Iterator[Block]:
    board = content.params.leaderboard
    if board is not None:
        yield Heading("Compared models")
        yield Text(
            f"{' '.join(leaderboard_sentences(board))} The models were compared on the {board.num_images:,} validation "
            "photos that the data set had at that time."
        )
        yield from board_blocks(board)
