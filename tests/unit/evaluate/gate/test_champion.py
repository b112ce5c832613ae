"""The gate compares a model with the champion if possible; otherwise, the verdict states why, without an error."""

from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from components.contract.artifacts.bundle import write_train_image_ids
from components.contract.artifacts.dataset import open_split, read_info
from components.contract.inference.graph import InferenceGraph
from components.evaluate.measure.predictions import score
from tests.support.artifacts import make_bundle, make_dataset
from tests.unit.evaluate.gate.registry import make_champion_say, register, verdict


def test_photos_that_either_model_was_trained_on_are_left_out(folder: Path) -> None:
    """The candidate fails on the first 12 test photos; the champion was trained on 2 of them, the candidate on 3."""
    split = open_split(folder / "dataset", "test")
    write_train_image_ids(folder / "champion", ["x", *split.image_ids[:2]])
    register("colors", folder / "champion")
    gate_verdict = verdict(folder, wrong=12, train_image_ids=frozenset(split.image_ids[1:4]))
    assert gate_verdict.comparison is not None
    assert (gate_verdict.comparison.num_images, gate_verdict.comparison.num_left_out) == (32, 4)
    assert (gate_verdict.comparison.num_won, gate_verdict.comparison.num_lost) == (0, 8)
    assert gate_verdict.reasons[0] == (
        "Both models were scored on 32 test photos that neither was trained on: this model classifies 75.0 % "
        "correctly and the champion, version 1, 100 %. Left out because one of the models was trained on the photo "
        "or on a near-duplicate: 4 of the 36 test photos."
    )


@pytest.mark.parametrize(("num_seen", "word", "num_compared"), [(31, "better", 5), (32, "cannot tell", 4)])
def test_too_few_unseen_photos_are_reported_with_advice(
    folder: Path, num_seen: int, word: str, num_compared: int
) -> None:
    """The champion is wrong on all compared photos: these are red, and it always predicts blue."""
    make_bundle(folder / "poor", read_info(folder / "dataset"), scale=0.0)
    write_train_image_ids(folder / "poor", open_split(folder / "dataset", "test").image_ids[:num_seen])
    register("colors", folder / "poor")
    gate_verdict = verdict(folder)
    assert (gate_verdict.verdict, gate_verdict.promotes) == (word, word == "better")
    assert gate_verdict.comparison is not None
    assert gate_verdict.comparison.num_images == gate_verdict.comparison.num_won == num_compared
    assert "The comparison has no photos of blue and green." in gate_verdict.reasons[0]
    assert "which counts only with 30 or more photos" in gate_verdict.reasons[2]
    advice = (
        "A significant difference requires at least 5 test photos that neither model was trained on. "
        "Add photos until the test split has 1 more (about 3 in total with the split fractions of this data set), and "
        "run again. Or decide yourself: evaluate.gate.promote lists the verdicts that promote a model."
    )
    assert (gate_verdict.reasons[-1] == advice) == (num_compared < 5)


def test_without_unseen_photos_models_are_not_comparable(folder: Path) -> None:
    write_train_image_ids(folder / "champion", open_split(folder / "dataset", "test").image_ids)
    register("colors", folder / "champion")
    gate_verdict = verdict(folder)
    assert (gate_verdict.verdict, gate_verdict.promotes, gate_verdict.champion) == ("not comparable", False, "1")
    assert "The data set has 36 test photos, but none is left for the comparison" in gate_verdict.reasons[0]
    assert (
        "Add photos until the test split has 5 more (about 15 in total with the split fractions of this data set"
        in (gate_verdict.reasons[0])
    )


def test_a_champion_without_a_list_of_training_photos_is_comparable_only_on_its_data_set(folder: Path) -> None:
    (folder / "champion" / "train_image_ids.txt").unlink()
    register("colors", folder / "champion")
    assert verdict(folder).verdict == "cannot tell", "must be comparable: the same data set has the same splits"
    make_champion_say(folder, dataset_fingerprint="f" * 64)
    run_id = register("others", folder / "champion")
    gate_verdict = verdict(folder, name="others")
    assert gate_verdict.verdict == "not comparable"
    assert run_id
    assert "The champion's training photos are not recorded" in gate_verdict.reasons[0]


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (("blue", "green", "yellow"), "The champion's classes differ: it lacks red; only the champion has yellow."),
        (("blue", "green"), "The champion's classes differ: it lacks red."),
    ],
)
def test_a_champion_with_different_classes_is_not_comparable(folder: Path, names: tuple[str, ...], reason: str) -> None:
    make_champion_say(folder, class_names=names)
    register("colors", folder / "champion")
    gate_verdict = verdict(folder)
    assert gate_verdict.verdict == "not comparable"
    assert reason in gate_verdict.reasons[0]


def test_a_champion_with_a_different_class_order_is_compared_by_class_names(folder: Path, tmp_path: Path) -> None:
    info = read_info(folder / "dataset").model_copy(update={"class_names": ("red", "blue", "green")})
    make_bundle(tmp_path / "other", info)
    write_train_image_ids(tmp_path / "other", ["x"])
    register("colors", tmp_path / "other")
    gate_verdict = verdict(folder)
    assert gate_verdict.verdict == "cannot tell"
    assert gate_verdict.comparison is not None
    assert gate_verdict.comparison.champion_accuracy == 1.0


def test_a_champion_with_another_pixel_range_is_compared_on_the_photos_stored_as_files(folder: Path) -> None:
    make_champion_say(folder, pixel_range=(0, 4095))
    register("colors", folder / "champion")
    golden = sorted((folder / "dataset" / "golden").iterdir())
    golden[0].unlink()
    comparison = verdict(folder).comparison
    assert comparison is not None
    assert comparison.num_images == 35


def test_a_champion_with_another_image_size_is_compared_on_the_photos_stored_as_files(
    folder: Path, tmp_path: Path
) -> None:
    make_bundle(tmp_path / "small", make_dataset(tmp_path / "photos", side=8))
    write_train_image_ids(tmp_path / "small", ["x"])
    register("colors", tmp_path / "small")
    golden = sorted((folder / "dataset" / "golden").iterdir())
    for path in golden[:6]:
        path.unlink()
    gate_verdict = verdict(folder)
    assert gate_verdict.verdict == "cannot tell"
    assert gate_verdict.comparison is not None
    assert (gate_verdict.comparison.num_images, gate_verdict.comparison.num_left_out) == (30, 0)
    assert "only the test photos stored as files are compared" in gate_verdict.reasons[0]
    gate_verdict = verdict(folder, train_image_ids=frozenset(path.stem for path in golden[5:8]))
    assert gate_verdict.comparison is not None
    assert (gate_verdict.comparison.num_images, gate_verdict.comparison.num_left_out) == (28, 3)
    for path in golden[6:]:
        path.unlink()
    gate_verdict = verdict(folder)
    assert gate_verdict.verdict == "not comparable"
    assert "The champion needs photos of 8 × 8 px" in gate_verdict.reasons[0]


@pytest.mark.parametrize("deleted_part", ["all", "export", "bundle.json"])
def test_a_champion_whose_artifact_was_deleted_is_not_comparable(folder: Path, deleted_part: str) -> None:
    import shutil

    run_id = register("colors", folder / "champion")
    stored_bundle = Path(MlflowClient().get_run(run_id).info.artifact_uri.removeprefix("file://")) / "bundle"
    for path in (stored_bundle,) if deleted_part == "all" else (stored_bundle / deleted_part,):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    gate_verdict = verdict(folder)
    assert (gate_verdict.verdict, gate_verdict.promotes) == ("not comparable", False)
    assert "The champion's bundle is missing" in gate_verdict.reasons[0]


def test_a_champion_whose_graph_was_changed_is_not_comparable(folder: Path) -> None:
    with (folder / "champion" / "export" / "model.xml").open("a") as file:
        file.write("<!-- -->")
    register("colors", folder / "champion")
    gate_verdict = verdict(folder)
    assert gate_verdict.verdict == "not comparable"
    assert "changed since training" in gate_verdict.reasons[0]


def test_an_artifact_store_that_does_not_answer_is_reported_in_the_verdict_without_an_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The registry answers, but no server answers at the address of the files."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    client = MlflowClient()
    client.create_registered_model("colors")
    version = client.create_model_version("colors", source="http://127.0.0.1:9/runs/1/bundle")
    client.set_registered_model_alias("colors", "champion", version.version)
    gate_verdict = verdict(folder)
    assert (gate_verdict.verdict, gate_verdict.promotes, gate_verdict.champion, gate_verdict.looks) == (
        "not comparable",
        False,
        "1",
        1,
    )
    assert "The champion's bundle is missing or unreachable" in gate_verdict.reasons[0]


def test_a_store_that_fails_after_naming_the_champion_is_reported_in_the_verdict_without_an_error(
    folder: Path, mlflow_store: str, caplog: pytest.LogCaptureFixture
) -> None:
    import sqlite3

    register("colors", folder / "champion")
    with sqlite3.connect(mlflow_store.removeprefix("sqlite:///")) as database:
        database.execute("DROP TABLE tags")
    gate_verdict = verdict(folder)
    assert (gate_verdict.verdict, gate_verdict.promotes, gate_verdict.champion, gate_verdict.looks) == (
        "not comparable",
        False,
        "1",
        None,
    )
    assert "The champion's bundle is missing or unreachable" in gate_verdict.reasons[0]
    assert "how often these test photos have been used" in caplog.text


def test_a_champion_whose_list_of_training_photos_is_damaged_is_not_comparable(folder: Path) -> None:
    (folder / "champion" / "train_image_ids.txt").write_bytes(b"\xff\xfe\x00")
    register("colors", folder / "champion")
    gate_verdict = verdict(folder)
    assert gate_verdict.verdict == "not comparable"
    assert "The champion's bundle is damaged" in gate_verdict.reasons[0]


def test_a_champion_whose_image_size_differs_from_its_graph_is_not_comparable(folder: Path) -> None:
    make_champion_say(folder, image_size=(8, 8))
    register("colors", folder / "champion")
    gate_verdict = verdict(folder)
    assert gate_verdict.verdict == "not comparable"
    assert "image size of the champion's graph differs from that of its bundle" in gate_verdict.reasons[0]


def test_a_champion_is_scored_like_a_candidate(folder: Path) -> None:
    register("colors", folder / "champion")
    split = open_split(folder / "dataset", "test")
    champion_predictions = score(InferenceGraph(folder / "champion" / "export"), split, "test", 3)
    comparison = verdict(folder).comparison
    assert comparison is not None
    assert comparison.champion_accuracy == float(np.mean(champion_predictions.correct))
