"""Constructed cases with real scans of digits: worse, equal and better models, leaked test photos, and wrong labels."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from components.contract.artifacts.bundle import BundleInfo, ExportFacts, ModelFacts, write_train_image_ids
from components.contract.artifacts.dataset import DatasetInfo, Source, SplitName, open_split, write_shard
from components.contract.artifacts.evaluation import EvaluationInfo
from components.contract.inference.graph import InferenceGraph, export_sha256, openvino
from components.contract.params.pipeline import EvaluateParams
from components.contract.system.atomic_files import write_json
from components.contract.tracking.run import create_run
from components.evaluate.data_quality.label_errors import HeldOutPredictions, find_label_errors
from components.evaluate.measure.calibration import fit_temperature
from components.evaluate.step import evaluate

NAMES = tuple(f"digit {number}" for number in range(10))
STARTS: dict[SplitName, slice] = {
    "train": slice(0, 1000),
    "validation": slice(1000, 1300),
    "test": slice(1300, 1797),
}
PARAMS = EvaluateParams(bootstrap_resamples=300, robustness_photos=0, report_photos=0)


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's 1,797 scans, shuffled: pixels, uint8 (n, 8, 8, 3), RGB; and labels, int32 (n,)."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    order = np.random.default_rng(0).permutation(len(bunch.target))
    pixels = np.repeat((bunch.images[order] * 15.9).astype(np.uint8)[..., None], 3, axis=3)
    return pixels, bunch.target[order].astype(np.int32)


@pytest.fixture
def dataset(tmp_path: Path, digits: tuple[np.ndarray, np.ndarray], mlflow_store: str) -> DatasetInfo:
    folder = tmp_path / "dataset"
    folder.mkdir()
    for name, part in STARTS.items():
        pixels, labels = digits[0][part], digits[1][part]
        # A scan may occur twice, so the id of each photo is derived from its split and its index.
        ids = [
            hashlib.sha256(name.encode() + bytes([index % 256, index // 256])).hexdigest()[:32]
            for index in range(len(labels))
        ]
        write_shard(folder / f"{name}-00000.arrow", pixels, labels, ids)
    info = DatasetInfo(
        name="digits",
        class_names=NAMES,
        image_size=(8, 8),
        resize="stretch",
        native_size=(8, 8),
        counts={
            name: {digit: int(np.sum(digits[1][part] == label)) for label, digit in enumerate(NAMES)}
            for name, part in STARTS.items()
        },
        rejected={},
        fingerprint="d" * 64,
        source=Source(uri="made"),
    )
    write_json(folder / "dataset.json", info)
    return info


class Workshop:
    """Trains logistic regressions on some training photos, exports the models and evaluates them."""

    def __init__(self, folder: Path, info: DatasetInfo):
        self.folder, self.info = folder, info
        self.training = open_split(folder / "dataset", "train")

    def make(self, name: str, indices: np.ndarray, *, extra_image_ids: tuple[str, ...] = ()) -> str:
        """Trains a model on these training photos, logs its bundle to a separate run and returns the run id."""
        from openvino import opset13 as ops
        from sklearn.linear_model import LogisticRegression

        pixels = self.training.gather(indices)[..., 0].reshape(len(indices), -1) / 255
        model = LogisticRegression(C=1.0, max_iter=500).fit(pixels, self.training.labels[indices])
        assert len(model.classes_) == len(NAMES), "the training photos must include every digit"
        photos = ops.parameter([-1, 8, 8, 3], np.uint8, name="pixels")
        shades = ops.divide(ops.convert(photos, np.float32), np.float32(255))
        gray = ops.reduce_mean(shades, np.array([3]), keep_dims=False)
        embedding = ops.reshape(gray, np.array([-1, 64]), special_zero=False)
        weights, bias = model.coef_.T.astype(np.float32), model.intercept_.astype(np.float32)
        logits = ops.add(ops.matmul(embedding, weights, False, False), bias)
        results = []
        for output, node in {"logits": logits, "embedding": embedding, "feature_map": shades}.items():
            node.output(0).get_tensor().set_names({output})
            results.append(ops.result(node))
        bundle_dir = self.folder / name
        (bundle_dir / "export").mkdir(parents=True)
        graph = openvino().Model(results, [photos])
        openvino().save_model(graph, bundle_dir / "export" / "model.xml", compress_to_fp16=False)
        run = create_run(experiment="digits", name=name)
        write_json(bundle_dir / "history.json", {})
        write_train_image_ids(bundle_dir, [*(self.training.image_ids[index] for index in indices), *extra_image_ids])
        write_json(
            bundle_dir / "bundle.json",
            BundleInfo(
                dataset_name="digits",
                dataset_fingerprint=self.info.fingerprint,
                source=self.info.source,
                class_names=NAMES,
                image_size=(8, 8),
                resize="stretch",
                params={},
                library_versions={},
                model=ModelFacts(
                    kind="layers",
                    name="logistic regression",
                    num_parameters=650,
                    num_trained_parameters=650,
                    trained_layers=("logits",),
                    num_layers=2,
                ),
                export=ExportFacts(
                    outputs=("logits", "embedding", "feature_map"),
                    max_probability_difference=0.0,
                    num_compared=1,
                    sha256=export_sha256(bundle_dir / "export"),
                ),
                epochs_run=1,
                best_epoch=1,
                mlflow_run_id=run.run_id,
            ),
        )
        run.log_artifacts(bundle_dir, "bundle")
        assert run.run_id is not None
        return run.run_id

    def crown(self, run_id: str) -> None:
        client = MlflowClient()
        client.create_registered_model("digits")
        version = client.create_model_version("digits", source=f"runs:/{run_id}/bundle", run_id=run_id)
        client.set_registered_model_alias("digits", "champion", version.version)

    def evaluate(self, name: str) -> EvaluationInfo:
        return evaluate(self.folder / "dataset", self.folder / name, PARAMS, "digits", self.folder / f"{name} result")


@pytest.fixture
def workshop(tmp_path: Path, dataset: DatasetInfo) -> Workshop:
    return Workshop(tmp_path, dataset)


def draw_indices(num: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(1000)[:num]


def test_equal_and_worse_models_get_the_right_verdicts(workshop: Workshop) -> None:
    champion = workshop.make("champion", draw_indices(950, seed=1))
    workshop.make("equal", draw_indices(950, seed=2))  # a different seed, but mostly the same photos
    workshop.make("worse", draw_indices(60, seed=3))
    workshop.crown(champion)
    equal, worse = workshop.evaluate("equal"), workshop.evaluate("worse")
    assert (equal.gate.verdict, equal.gate.promotes) == ("cannot tell", False), equal.gate.reasons
    assert (worse.gate.verdict, worse.gate.promotes) == ("worse", False), worse.gate.reasons
    assert worse.test.accuracy.high < equal.test.accuracy.low
    assert (equal.gate.looks, worse.gate.looks) == (1, 2)


def test_a_better_model_gets_the_right_verdict(workshop: Workshop) -> None:
    workshop.crown(workshop.make("weak champion", draw_indices(60, seed=3)))
    workshop.make("better", draw_indices(700, seed=1))
    verdict = workshop.evaluate("better").gate
    assert (verdict.verdict, verdict.promotes, verdict.champion) == ("better", True, "1"), verdict.reasons
    assert verdict.comparison is not None
    assert verdict.comparison.p_value < 1e-6


def test_the_test_photos_that_a_champion_was_trained_on_are_not_compared(workshop: Workshop) -> None:
    """The champion was trained on three test photos, so the models are compared on the other 494."""
    test_image_ids = tuple(open_split(workshop.folder / "dataset", "test").image_ids[:3])
    workshop.crown(workshop.make("champion", draw_indices(700, seed=1), extra_image_ids=test_image_ids))
    workshop.make("candidate", draw_indices(700, seed=2))
    verdict = workshop.evaluate("candidate").gate
    assert verdict.comparison is not None
    assert (verdict.comparison.num_images, verdict.comparison.num_left_out) == (494, 3)
    assert "scored on 494 test photos that neither was trained on" in verdict.reasons[0]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_wrong_labels_are_at_the_top_of_the_label_errors(
    workshop: Workshop, digits: tuple[np.ndarray, ...], seed: int
) -> None:
    workshop.make("model", draw_indices(1000, seed=1))
    pixels, labels = digits[0][1000:], digits[1][1000:].copy()
    logits = InferenceGraph(workshop.folder / "model" / "export").run(pixels).logits
    rng = np.random.default_rng(seed)
    planted_indices = rng.permutation(len(labels))[: round(0.05 * len(labels))]
    labels[planted_indices] = (labels[planted_indices] + rng.integers(1, 10, len(planted_indices))) % 10
    scaled = np.exp(logits / fit_temperature(logits, labels))
    held_out = HeldOutPredictions(
        ["test"] * len(labels),
        [str(index) for index in range(len(labels))],
        labels,
        scaled / scaled.sum(axis=1, keepdims=True),
    )
    flagged_indices = {int(error.image_id) for error in find_label_errors(held_out)[: len(planted_indices)]}
    precision = len(flagged_indices & set(planted_indices.tolist())) / len(flagged_indices)
    assert precision >= 0.5, f"precision of the top {len(flagged_indices)} must be at least 0.5; it is {precision:.2f}"
    assert precision >= 0.8, "logistic regression classifies these scans well, so most flagged labels must be wrong"
