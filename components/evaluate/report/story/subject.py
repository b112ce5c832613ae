"""Describes what was evaluated: the data and the model."""

from collections.abc import Iterator, Sequence

from components.contract.artifacts.dataset import SPLITS, DatasetInfo
from components.contract.pages.blocks import (
    Beside,
    Block,
    Facts,
    Fold,
    Heading,
    Mark,
    Section,
    Sheet,
    Table,
    Text,
    Words,
)
from components.evaluate.formatting import file_size, percent
from components.evaluate.report.augmentation import NEVER_VARIED, augmentation_sentences
from components.evaluate.report.charts.network_diagram import build_boxes, describe_boxes
from components.evaluate.report.model import Content, balance_sentence, charts_of, shrink_sheet

MANY_CLASSES = 25
"""A table with more classes is collapsed."""
RESIZING = {"stretch": "stretched", "crop": "center-cropped and scaled", "pad": "padded and scaled"}
KINDS = {"layers": "custom layers", "pretrained": "pretrained backbone with a head"}


def data_section(content: Content) -> Section:
    """The photos, and how they were prepared."""
    dataset = content.dataset
    height, width = dataset.image_size
    counts = ", ".join(f"{split} {dataset.num_images(split):,}" for split in SPLITS)
    rejected = f"; {dataset.num_rejected:,} rejected" if dataset.num_rejected else ""
    classes: Block = _class_table(dataset)
    if len(dataset.class_names) > MANY_CLASSES:
        classes = Fold(f"Photos of each of the {len(dataset.class_names)} classes", [classes])
    return Section(
        "data",
        "Data",
        [
            Text(
                f"Photos kept: {dataset.num_kept:,} ({counts}){rejected}. Each kept photo was resized to {height} × "
                f"{width} px ({dataset.resize}).{balance_sentence(dataset)}",
                "soft",
            ),
            Beside([classes], list(_origin(dataset))),
            *_preparation(content),
        ],
        "Data",
    )


def _class_table(dataset: DatasetInfo) -> Table:
    rows = [[name, *(f"{dataset.counts[split].get(name, 0):,}" for split in SPLITS)] for name in dataset.class_names]
    return Table(
        ["Class", "Train", "Validation", "Test"],
        rows,
        "Photos per class and split",
        search="Search the classes",
        foot=["All", *(f"{dataset.num_images(split):,}" for split in SPLITS)],
    )


def _origin(dataset: DatasetInfo) -> Iterator[Block]:
    if dataset.rejected:
        rows = [[reason.replace("_", " "), f"{num:,}"] for reason, num in sorted(dataset.rejected.items())]
        yield Heading("Rejected files")
        yield Table(["Reason", "Files"], rows, "Rejected files")
    source = dataset.source
    yield Heading("Version")
    yield Facts(
        [
            ("Source", source.uri),
            ("Fingerprint of the data set", Mark("code", dataset.fingerprint[:16])),
            ("DVC hash", Mark("code", source.dvc) if source.dvc else "not under DVC"),
            ("Git revision", Mark("code", source.git_revision) if source.git_revision else "not in git"),
        ]
    )


def _preparation(content: Content) -> Iterator[Block]:
    dataset = content.dataset
    height, width = dataset.image_size
    if content.samples:
        yield Heading("Prepared samples")
        yield Sheet(shrink_sheet(content.samples), "A sheet of prepared photos with their classes")
    yield Heading("Preprocessing")
    yield Text(
        "Every photo was decoded once, rotated according to its EXIF data, converted to RGB and "
        f"{RESIZING[dataset.resize]} to {height} × {width} px; the median original size was {dataset.native_size[0]} × "
        f"{dataset.native_size[1]} px. The service processes photos in the same way."
    )
    sentences = augmentation_sentences(content.bundle.params)
    if sentences:
        yield Heading("Augmentation")
        yield Text(" ".join(sentences))
    if content.variants and NEVER_VARIED in sentences:
        lines = "; one row of versions per phase" if content.history.phases else ""
        description = f"Eight augmented versions of one training photo, as used in training{lines}"
        yield Sheet(shrink_sheet(content.variants), description)


def model_section(content: Content) -> Section:
    """The network, with its architecture."""
    bundle = content.bundle
    diagram = charts_of(content, ("architecture", describe_boxes(build_boxes(bundle))), label="Architecture")
    caption = (
        "Each box shows a layer, or a whole backbone, with its number of parameters and its output shape. Solid blue "
        "outline: trained in this run; dashed outline: frozen."
    )
    architecture: list[Block] = [Heading("Architecture"), Text(caption, "soft"), *diagram] if diagram else []
    trained_layers = bundle.model.trained_layers
    versions = [f"{name} {version}" for name, version in sorted(bundle.library_versions.items())]
    return Section(
        "model",
        "Model",
        [
            Facts(list(_model_facts(content))),
            *architecture,
            *_names(f"{len(trained_layers)} trained layer{'s' if len(trained_layers) > 1 else ''}", trained_layers),
            *_names("Library versions", versions),
        ],
        "Model",
    )


def _names(title: str, names: Sequence[str]) -> list[Block]:
    marks: list[str | Mark] = [mark for name in names for mark in (", ", Mark("code", name))]
    return [Fold(title, [Text(marks[1:], "small")])] if names else []


def _model_facts(content: Content) -> Iterator[tuple[str, Words]]:
    bundle, info, facts = content.bundle, content.evaluation, content.bundle.model
    share = f" ({percent(facts.num_trained_parameters / facts.num_parameters)})" if facts.num_parameters else ""
    yield "Network", facts.name
    yield "Kind", KINDS.get(facts.kind, facts.kind)
    yield "Layers", f"{facts.num_layers:,}"
    yield "Parameters", f"{facts.num_parameters:,}"
    yield "Trained parameters", (f"{facts.num_trained_parameters:,}", Mark("soft", share))
    yield "Input", f"{bundle.image_size[0]} × {bundle.image_size[1]} px, RGB"
    yield "Epochs", f"{bundle.epochs_run} run, epoch {bundle.best_epoch} kept"
    yield "Exported graph", Mark("code", info.export_sha256[:16])
    yield "Exported graph versus Keras", f"probabilities differ by up to {bundle.export.max_probability_difference:.1e}"
    if facts.weights_sha256:
        yield "Pretrained weights", Mark("code", facts.weights_sha256[:16])
    if info.latency_p50_ms is not None:
        yield "Time per photo", f"{info.latency_p50_ms:.1f} ms on this machine (median)"
    if info.size_bytes is not None:
        yield "Size of the graph", file_size(info.size_bytes)
    yield "MLflow run", Mark("code", info.mlflow_run_id) if info.mlflow_run_id else "none"
