"""Creates small real inputs for tests without TensorFlow: photos, a data set, a model bundle and an evaluation."""

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from components.contract.artifacts.bundle import BundleInfo, ExportFacts, ModelFacts, read_bundle
from components.contract.artifacts.dataset import SPLITS, DatasetInfo, Source, open_split, read_info, write_shard
from components.contract.artifacts.evaluation import EvaluationInfo, Verdict
from components.contract.artifacts.figures import Interval, SplitFigures
from components.contract.inference.calibration import (
    Abstention,
    Calibration,
    CalibrationFacts,
    Familiarity,
    neighbor_distance,
    to_unit_length,
    write_calibration,
)
from components.contract.inference.graph import InferenceGraph, export_sha256, openvino, softmax
from components.contract.system.atomic_files import write_json

CLASS_NAMES = ("blue", "green", "red")
COLORS = {"blue": (30, 40, 200), "green": (30, 180, 50), "red": (210, 40, 30)}


def photo(class_name: str, rng: np.random.Generator, size: tuple[int, int] = (40, 32)) -> np.ndarray:
    """Returns a noisy picture in the color of its class: uint8 (height, width, 3), RGB."""
    noise = rng.integers(-25, 26, (*size, 3))
    return np.clip(np.array(COLORS[class_name]) + noise, 0, 255).astype(np.uint8)


def make_photos(
    folder: Path, *, per_class: int = 20, size: tuple[int, int] = (40, 32), suffix: str = ".png", seed: int = 0
) -> Path:
    """Writes class folders with pictures that are easy to classify, and returns `folder`."""
    rng = np.random.default_rng(seed)
    for class_name in CLASS_NAMES:
        (folder / class_name).mkdir(parents=True, exist_ok=True)
        for number in range(per_class):
            Image.fromarray(photo(class_name, rng, size)).save(folder / class_name / f"{number:03d}{suffix}")
    return folder


def make_dataset(dataset_dir: Path, *, per_class: int = 12, side: int = 16, seed: int = 0) -> DatasetInfo:
    """Writes a prepared data set of photos with `side` × `side` pixels; the test photos are also its golden photos."""
    dataset_dir.mkdir(parents=True)
    (dataset_dir / "golden").mkdir()
    rng = np.random.default_rng(seed)
    for split in SPLITS:
        pixels, labels, image_ids = [], [], []
        for label, class_name in enumerate(CLASS_NAMES):
            for _ in range(per_class):
                image = photo(class_name, rng, (side, side))
                image_id = hashlib.sha256(image.tobytes()).hexdigest()[:32]
                pixels.append(image)
                labels.append(label)
                image_ids.append(image_id)
                if split == "test":
                    Image.fromarray(image).save(dataset_dir / "golden" / f"{image_id}.png")
        write_shard(dataset_dir / f"{split}-00000.arrow", np.stack(pixels), np.array(labels, np.int32), image_ids)
    info = DatasetInfo(
        name="colors",
        class_names=CLASS_NAMES,
        image_size=(side, side),
        resize="stretch",
        native_size=(side, side),
        counts={split: dict.fromkeys(CLASS_NAMES, per_class) for split in SPLITS},
        rejected={},
        fingerprint=hashlib.sha256(f"{per_class}/{side}/{seed}".encode()).hexdigest(),
        source=Source(uri="made"),
    )
    write_json(dataset_dir / "dataset.json", info)
    return info


def make_bundle(bundle_dir: Path, info: DatasetInfo, *, scale: float = 0.05, mlflow_run_id: str | None = None) -> None:
    """Writes a model bundle whose exported graph classifies `make_dataset`'s photos by their mean color.

    The graph is built from OpenVINO's own operations: logits = scale / 10 × (mean color · class color), where both
    colors are centered.
    """
    ov = openvino()
    ops = ov.opset13

    height, width = info.image_size
    pixels = ops.parameter([-1, height, width, 3], np.uint8, name="pixels")
    feature_map = ops.convert(pixels, np.float32)
    embedding = ops.reduce_mean(feature_map, np.array([1, 2]), keep_dims=False)
    colors = np.array([COLORS[name] for name in info.class_names], np.float32)
    centered = ops.subtract(embedding, np.float32(colors.mean()))
    weights = ((colors - colors.mean(axis=0)) * scale / 10).T
    logits = ops.matmul(centered, weights.astype(np.float32), False, False)
    results = []
    for name, node in {"logits": logits, "embedding": embedding, "feature_map": feature_map}.items():
        node.output(0).get_tensor().set_names({name})
        results.append(ops.result(node))
    (bundle_dir / "export").mkdir(parents=True)
    ov.save_model(ov.Model(results, [pixels]), bundle_dir / "export" / "model.xml", compress_to_fp16=False)
    write_json(
        bundle_dir / "history.json",
        {"loss": [1.0, 0.5], "accuracy": [0.5, 0.9], "val_loss": [0.9, 0.4], "val_accuracy": [0.6, 0.95]},
    )
    model = ModelFacts(
        kind="layers",
        name="mean color",
        num_parameters=9,
        num_trained_parameters=9,
        trained_layers=("logits",),
        num_layers=2,
    )
    export = ExportFacts(
        outputs=("logits", "embedding", "feature_map"),
        max_probability_difference=0.0,
        num_compared=1,
        sha256=export_sha256(bundle_dir / "export"),
    )
    bundle = make_bundle_info(info, model, export).model_copy(update={"mlflow_run_id": mlflow_run_id})
    write_json(bundle_dir / "bundle.json", bundle)


def make_bundle_info(info: DatasetInfo, model: ModelFacts, export: ExportFacts) -> BundleInfo:
    """Returns the content of bundle.json for a model trained on a data set for two epochs."""
    return BundleInfo(
        dataset_name=info.name,
        dataset_fingerprint=info.fingerprint,
        source=info.source,
        class_names=info.class_names,
        image_size=info.image_size,
        resize=info.resize,
        pixel_range=info.pixel_range,
        model=model,
        params={},
        export=export,
        library_versions={},
        epochs_run=2,
        best_epoch=2,
    )


def make_evaluation(
    evaluation_dir: Path,
    dataset_dir: Path,
    bundle_dir: Path,
    *,
    verdict: Verdict = Verdict(verdict="first", reasons=("There is no champion yet.",)),  # noqa: B008 it is frozen
    model_name: str = "colors",
    calibrated: bool = False,
) -> None:
    """Writes an evaluation folder with everything that deploy reads: the graph's real predictions and the verdict."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    info, bundle = read_info(dataset_dir), read_bundle(bundle_dir)
    graph = InferenceGraph(bundle_dir / "export")
    evaluation_dir.mkdir(parents=True)
    calibration = make_calibration(graph, dataset_dir, bundle.export.sha256) if calibrated else None
    if calibration is not None:
        write_calibration(evaluation_dir, calibration)
    tables = []
    for name in ("validation", "test"):
        split = open_split(dataset_dir, name)
        logits = graph.run(split.gather(np.arange(len(split)))).logits
        probabilities = softmax(logits) if calibration is None else calibration.probabilities(logits)
        tables.append(
            pa.table(
                {
                    "split": [name] * len(split),
                    "image_id": list(split.image_ids),
                    "label": pa.array(split.labels, pa.int32()),
                    "predicted": pa.array(probabilities.argmax(axis=1), pa.int32()),
                    "probabilities": pa.array(list(probabilities), pa.list_(pa.float32())),
                }
            )
        )
    pq.write_table(pa.concat_tables(tables), evaluation_dir / "predictions.parquet")
    figures = SplitFigures(
        num_images=info.num_images("test"),
        accuracy=Interval(value=1.0, low=0.9, high=1.0),
        macro_f1=Interval(value=1.0, low=0.9, high=1.0),
    )
    write_json(
        evaluation_dir / "evaluation.json",
        EvaluationInfo(
            model_name=model_name,
            class_names=info.class_names,
            dataset_fingerprint=info.fingerprint,
            export_sha256=bundle.export.sha256,
            validation=figures,
            test=figures,
            gate=verdict,
            mlflow_run_id=bundle.mlflow_run_id,
        ),
    )


def make_calibration(graph: InferenceGraph, dataset_dir: Path, export_sha256: str) -> Calibration:
    """Returns a calibration: a temperature of 2, abstention below 0.6, familiarity based on the training photos."""
    train, validation = open_split(dataset_dir, "train"), open_split(dataset_dir, "validation")
    reference = to_unit_length(graph.run(train.gather(np.arange(len(train)))).embedding)
    embeddings = graph.run(validation.gather(np.arange(len(validation)))).embedding
    farthest = float(neighbor_distance(embeddings, reference, 3).max()) * 1.5
    facts = CalibrationFacts(
        export_sha256=export_sha256,
        temperature=2.0,
        abstention=Abstention(target_accuracy=0.95, threshold=0.6, coverage=0.9, accuracy=1.0),
        familiarity=Familiarity(num_neighbours=3, threshold=farthest, familiar_share=1.0, num_reference=len(reference)),
    )
    return Calibration(facts, reference)
