"""The verdict against a real MLflow registry with real bundles: every word of it, and never an error."""

from pathlib import Path
from typing import Any, cast

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient

from components.contract.artifacts.bundle import read_bundle, write_train_image_ids
from components.contract.artifacts.dataset import DatasetInfo, Split, open_split, read_info
from components.contract.artifacts.evaluation import Verdict
from components.contract.inference.graph import InferenceGraph
from components.contract.params.pipeline import EvaluateParams, GateParams
from components.contract.system.atomic_files import write_json
from components.contract.tracking.run import create_run
from components.evaluate.gate.champion import Rival
from components.evaluate.gate.comparison import compare, mcnemar
from components.evaluate.gate.looks import hash_test_set
from components.evaluate.gate.verdict import (
    Candidate,
    Finding,
    decide,
    find_broken_floors,
    judge,
)
from components.evaluate.measure.predictions import Predictions, score
from components.evaluate.measure.run import measure
from tests.support.artifacts import make_bundle, make_dataset


def register(name: str, bundle_dir: Path, *, champion: bool = True) -> str:
    """A version of `name` whose bundle lies in the artifacts of a run; gives the run."""
    run = create_run(experiment=f"of {name}", name="earlier")
    run.log_artifacts(bundle_dir, "bundle")
    client = MlflowClient()
    client.create_registered_model(name)
    version = client.create_model_version(name, source=f"runs:/{run.run_id}/bundle", run_id=run.run_id)
    if champion:
        client.set_registered_model_alias(name, "champion", version.version)
    assert run.run_id is not None
    return run.run_id


@pytest.fixture
def folder(tmp_path: Path, mlflow_store: str) -> Path:
    """dataset/, and champion/, a bundle that names every photo rightly and learnt from none of the test photos."""
    info = make_dataset(tmp_path / "dataset")
    make_champion(tmp_path, info)
    return tmp_path


def make_champion(folder: Path, info: DatasetInfo, *, learnt: tuple[str, ...] = ("x",)) -> None:
    make_bundle(folder / "champion", info)
    write_train_image_ids(folder / "champion", learnt)


def make_champion_say(folder: Path, **changes: Any) -> None:
    write_json(folder / "champion" / "bundle.json", read_bundle(folder / "champion").model_copy(update=changes))


def verdict(folder: Path, wrong: int = 0, params: GateParams | None = None, name: str = "colours") -> Verdict:
    """On a candidate that names so many of the 36 test photos wrongly."""
    info, split = read_info(folder / "dataset"), open_split(folder / "dataset", "test")
    labels = split.labels.copy()
    labels[:wrong] = (labels[:wrong] + 1) % 3
    logits = 5 * np.eye(3, dtype=np.float32)[labels]
    predictions = Predictions("test", split.image_ids, split.labels, logits, logits)
    found = measure({"test": predictions}, info.class_names, EvaluateParams(bootstrap_resamples=100))["test"]
    return judge(
        Candidate(found, predictions, split, latency_ms=5.0, size_bytes=2_000_000),
        name,
        params or GateParams(),
        dataset_dir=folder / "dataset",
        dataset=info,
        run_id=None,
        resamples=500,
        rng=np.random.default_rng(0),
    )


def test_the_first_model_of_a_name_is_first(folder: Path) -> None:
    found = verdict(folder)
    assert (found.verdict, found.promotes, found.champion, found.looks) == ("first", True, None, 1)
    assert found.reasons == ("No version of colours is the champion yet.",)


def test_versions_that_never_became_champion_do_not_count(folder: Path) -> None:
    register("colours", folder / "champion", champion=False)
    assert verdict(folder).verdict == "first"


def test_another_name_has_a_champion_of_its_own(folder: Path) -> None:
    register("letters", folder / "champion")
    assert verdict(folder).verdict == "first"


def test_a_worse_model_is_worse_and_the_reasons_say_by_how_much(folder: Path) -> None:
    register("colours", folder / "champion")
    found = verdict(folder, wrong=12)
    assert (found.verdict, found.promotes, found.champion) == ("worse", False, "1")
    assert "this model names 66.7 % rightly and the champion, version 1, 100 %" in found.reasons[0]
    assert found.comparison is not None
    assert (found.comparison.num_won, found.comparison.num_lost) == (0, 12)
    assert found.comparison.p_value == pytest.approx(2 * 0.5**12)
    assert any("recall of blue falls from 100 % to 0 %" in reason for reason in found.reasons)


def test_an_equal_model_cannot_be_told_from_the_champion(folder: Path) -> None:
    register("colours", folder / "champion")
    for wrong in (0, 1):
        found = verdict(folder, wrong=wrong)
        assert (found.verdict, found.promotes) == ("cannot tell", False)
        assert "chance may explain it" in found.reasons[1]


def test_a_better_model_is_better(folder: Path, tmp_path: Path) -> None:
    make_bundle(tmp_path / "poor", read_info(folder / "dataset"), scale=0.0)  # it always answers blue
    write_train_image_ids(tmp_path / "poor", ["x"])
    register("colours", tmp_path / "poor")
    found = verdict(folder)
    assert (found.verdict, found.promotes) == ("better", True)
    assert "more than chance" in found.reasons[1]


def test_a_champion_that_saw_a_test_photo_is_not_comparable(folder: Path) -> None:
    split = open_split(folder / "dataset", "test")
    write_train_image_ids(folder / "champion", ["x", *split.image_ids[:2]])
    register("colours", folder / "champion")
    found = verdict(folder)
    assert (found.verdict, found.promotes, found.champion) == ("not comparable", False, "1")
    assert "It was trained on 2 of the 36 test photos" in found.reasons[0]


def test_a_champion_that_does_not_name_its_photos_is_comparable_on_its_own_data_only(folder: Path) -> None:
    (folder / "champion" / "train_image_ids.txt").unlink()
    register("colours", folder / "champion")
    assert verdict(folder).verdict == "cannot tell", "the same data have the same split"
    make_champion_say(folder, dataset_fingerprint="f" * 64)
    run_id = register("others", folder / "champion")
    found = verdict(folder, name="others")
    assert found.verdict == "not comparable"
    assert run_id
    assert "It does not say which photos it learnt from" in found.reasons[0]


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (("blue", "green", "yellow"), "Its classes differ: it lacks red; it alone has yellow."),
        (("blue", "green"), "Its classes differ: it lacks red."),
    ],
)
def test_a_champion_of_other_classes_is_not_comparable(folder: Path, names: tuple[str, ...], reason: str) -> None:
    make_champion_say(folder, class_names=names)
    register("colours", folder / "champion")
    found = verdict(folder)
    assert found.verdict == "not comparable"
    assert reason in found.reasons[0]


def test_a_champion_with_its_classes_in_another_order_is_compared_by_their_names(folder: Path, tmp_path: Path) -> None:
    info = read_info(folder / "dataset").model_copy(update={"class_names": ("red", "blue", "green")})
    make_bundle(tmp_path / "other", info)
    write_train_image_ids(tmp_path / "other", ["x"])
    register("colours", tmp_path / "other")
    found = verdict(folder)
    assert found.verdict == "cannot tell"
    assert found.comparison is not None
    assert found.comparison.champion_accuracy == 1.0


def test_a_champion_of_another_size_is_compared_on_the_photos_kept_as_files(folder: Path, tmp_path: Path) -> None:
    make_bundle(tmp_path / "small", make_dataset(tmp_path / "photos", side=8))
    write_train_image_ids(tmp_path / "small", ["x"])
    register("colours", tmp_path / "small")
    golden = sorted((folder / "dataset" / "golden").iterdir())
    for path in golden[:6]:
        path.unlink()
    found = verdict(folder)
    assert found.verdict == "cannot tell"
    assert found.comparison is not None
    assert found.comparison.num_images == 30
    assert "only the test photos kept as files are compared" in found.reasons[0]
    for path in golden[6:]:
        path.unlink()
    found = verdict(folder)
    assert found.verdict == "not comparable"
    assert "It takes photos of 8 × 8 px" in found.reasons[0]


@pytest.mark.parametrize("what", ["all", "export", "bundle.json"])
def test_a_champion_whose_artifact_was_deleted_is_not_comparable(folder: Path, what: str) -> None:
    import shutil

    run_id = register("colours", folder / "champion")
    kept = Path(MlflowClient().get_run(run_id).info.artifact_uri.removeprefix("file://")) / "bundle"
    for path in (kept,) if what == "all" else (kept / what,):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    found = verdict(folder)
    assert (found.verdict, found.promotes) == ("not comparable", False)
    assert "Its artifact is gone" in found.reasons[0]


def test_a_champion_whose_graph_was_changed_is_not_comparable(folder: Path) -> None:
    with (folder / "champion" / "export" / "model.xml").open("a") as file:
        file.write("<!-- -->")
    register("colours", folder / "champion")
    found = verdict(folder)
    assert found.verdict == "not comparable"
    assert "not the one that train checked" in found.reasons[0]


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "sqlite:///{folder}/file/mlflow.db"])
def test_a_registry_out_of_reach_is_a_reason_and_no_error(
    uri: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "file").touch()
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    mlflow.set_tracking_uri(uri.format(folder=folder))
    found = verdict(folder)
    assert (found.verdict, found.promotes, found.looks) == ("not comparable", False, None)
    assert found.reasons[0].startswith("The model registry could not be asked whether colours has a champion: ")


def test_an_artifact_store_that_does_not_answer_is_a_reason_and_no_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The registry answers, and names a place that nobody answers for."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    client = MlflowClient()
    client.create_registered_model("colours")
    version = client.create_model_version("colours", source="http://127.0.0.1:9/runs/1/bundle")
    client.set_registered_model_alias("colours", "champion", version.version)
    found = verdict(folder)
    assert (found.verdict, found.promotes, found.champion, found.looks) == ("not comparable", False, "1", 1)
    assert "Its artifact is gone or out of reach" in found.reasons[0]


def test_a_store_that_fails_after_it_named_the_champion_is_a_reason_and_no_error(
    folder: Path, mlflow_store: str, caplog: pytest.LogCaptureFixture
) -> None:
    import sqlite3

    register("colours", folder / "champion")
    with sqlite3.connect(mlflow_store.removeprefix("sqlite:///")) as database:
        database.execute("DROP TABLE tags")
    found = verdict(folder)
    assert (found.verdict, found.promotes, found.champion, found.looks) == ("not comparable", False, "1", None)
    assert "Its artifact is gone or out of reach" in found.reasons[0]
    assert "how often these test photos were looked at" in caplog.text


def test_a_champion_whose_list_of_photos_is_damaged_is_not_comparable(folder: Path) -> None:
    (folder / "champion" / "train_image_ids.txt").write_bytes(b"\xff\xfe\x00")
    register("colours", folder / "champion")
    found = verdict(folder)
    assert found.verdict == "not comparable"
    assert "Its artifact is damaged" in found.reasons[0]


def test_a_champion_that_says_another_size_than_its_graph_takes_is_not_comparable(folder: Path) -> None:
    make_champion_say(folder, image_size=(8, 8))
    register("colours", folder / "champion")
    found = verdict(folder)
    assert found.verdict == "not comparable"
    assert "another size than its bundle says" in found.reasons[0]


@pytest.mark.parametrize(
    ("params", "wrong", "word"),
    [
        ({"min_accuracy": 0.9}, 8, "min_accuracy"),
        ({"min_macro_f1": 0.9}, 8, "min_macro_f1"),
        ({"max_latency_ms": 4.9}, 0, "max_latency_ms"),
        ({"max_size_mb": 1.9}, 0, "max_size_mb"),
    ],
)
def test_a_broken_floor_or_budget_is_worse_and_named(
    folder: Path, params: dict[str, float], wrong: int, word: str
) -> None:
    found = verdict(folder, wrong, GateParams(**params))
    assert (found.verdict, found.promotes) == ("worse", False)
    assert f"evaluate.gate.{word}" in found.reasons[-1]
    assert verdict(folder, 0, GateParams(min_accuracy=0.9, max_latency_ms=5.1, max_size_mb=2.1)).verdict == "first"


@pytest.mark.parametrize("wrong", [36, 30])
def test_a_model_that_is_no_better_than_one_name_for_all_is_no_first(folder: Path, wrong: int) -> None:
    found = verdict(folder, wrong)
    assert (found.verdict, found.promotes) == ("worse", False)
    assert "one name for all of them would be right on 33.3 %" in found.reasons[-1]


def test_a_rare_class_that_is_told_apart_is_worth_more_than_the_common_one() -> None:
    """72 % are right where one name is right on 80 %, but of either class more than half."""
    predicted, labels = np.array([0] * 56 + [1] * 24 + [1] * 16 + [0] * 4), np.array([0] * 80 + [1] * 20)
    assert find_broken_floors(candidate(predicted, labels), GateParams()) == ()
    (reason,) = find_broken_floors(candidate(np.zeros_like(labels), labels), GateParams())
    assert "80.0 %" in reason
    one_class = np.zeros(3, np.int32)
    assert find_broken_floors(candidate(one_class, one_class), GateParams()) == ()


def candidate(predicted: np.ndarray, labels: np.ndarray) -> Candidate:
    logits = 5 * np.eye(2, dtype=np.float32)[predicted]
    predictions = Predictions("test", [str(at) for at in range(len(labels))], labels.astype(np.int32), logits, logits)
    figures = measure({"test": predictions}, ("a", "b"), EvaluateParams(bootstrap_resamples=100))["test"]
    return Candidate(figures, predictions, cast(Split, None), latency_ms=5.0, size_bytes=2_000_000)


def test_the_params_decide_which_verdicts_promote(folder: Path) -> None:
    assert not verdict(folder, params=GateParams(promote=("better",))).promotes
    register("colours", folder / "champion")
    assert verdict(folder, params=GateParams(promote=("better", "cannot tell"))).promotes


def decided(ours: list[int], theirs: list[int], labels: list[int], floor: float = 0.1) -> Finding:
    logits = 5 * np.eye(3, dtype=np.float32)[ours]
    predictions = Predictions(
        "test", [str(at) for at in range(len(labels))], np.array(labels, np.int32), logits, logits
    )
    rival = Rival(np.array(theirs), np.arange(len(labels)))
    return decide(
        predictions,
        rival,
        ("a", "b", "c"),
        GateParams(max_recall_drop=floor),
        "1",
        resamples=500,
        rng=np.random.default_rng(0),
    )


def test_a_better_model_that_loses_a_class_cannot_be_told_and_surely_losing_one_is_worse() -> None:
    labels = [0] * 60 + [1] * 60 + [2] * 12
    champion = [1] * 30 + [0] * 30 + [1] * 60 + [2] * 12
    lost_some = [0] * 60 + [1] * 60 + [0] * 3 + [2] * 9
    found = decided(lost_some, champion, labels)
    assert found.word == "cannot tell"
    assert "The recall of c falls from 100 % to 75.0 % on 12 photos" in found.reasons[-1]
    assert "it may be chance" in found.reasons[-1]
    assert decided(lost_some, champion, labels, floor=0.3).word == "better"
    lost_all = [0] * 60 + [1] * 60 + [0] * 12
    assert decided(lost_all, champion, labels).word == "worse"


def test_other_seeds_of_the_same_model_are_seldom_called_better_or_worse() -> None:
    """Two models that are right on 80 % of photos, each by its own luck: 200 pairs."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 60).astype(np.int32)
    words = []
    for _ in range(200):
        ours, theirs = (np.where(rng.random(180) < 0.8, labels, (labels + 1) % 3) for _ in range(2))
        words.append(decided(list(ours), list(theirs), list(labels), floor=1.0).word)
    assert words.count("cannot tell") >= 180


def test_mcnemar_is_exact_and_symmetric() -> None:
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(0, 6) == pytest.approx(2 * 0.5**6)
    assert mcnemar(3, 9) == mcnemar(9, 3) == pytest.approx(0.1459961)


def test_the_paired_bootstrap_is_that_of_the_photos() -> None:
    from sklearn.metrics import f1_score

    rng = np.random.default_rng(4)
    labels = rng.integers(0, 3, 150)
    ours, theirs = (np.where(rng.random(150) < share, labels, rng.integers(0, 3, 150)) for share in (0.85, 0.7))
    found = compare(ours, theirs, labels, resamples=4000, rng=rng)
    drawn = rng.integers(0, 150, (300, 150))
    differences = [
        f1_score(labels[at], ours[at], average="macro") - f1_score(labels[at], theirs[at], average="macro")
        for at in drawn
    ]
    low, high = np.quantile(differences, [0.025, 0.975])
    assert (found.macro_f1_difference.low, found.macro_f1_difference.high) == pytest.approx((low, high), abs=0.02)
    accuracy = np.mean(ours == labels) - np.mean(theirs == labels)
    assert found.accuracy_difference.value == pytest.approx(accuracy)


def test_a_test_set_is_known_by_its_photos_and_labels_in_any_order(folder: Path) -> None:
    from components.contract.artifacts.dataset import Split

    split = open_split(folder / "dataset", "test")
    pixels = split.gather(np.arange(36))
    turned = Split([pixels[::-1]], split.labels[::-1], list(split.image_ids)[::-1])
    relabelled = Split([pixels], (split.labels + 1) % 3, split.image_ids)
    assert hash_test_set(split) == hash_test_set(turned) != hash_test_set(relabelled)


def test_a_champion_is_scored_as_the_candidate_would_be(folder: Path) -> None:
    register("colours", folder / "champion")
    split = open_split(folder / "dataset", "test")
    own = score(InferenceGraph(folder / "champion" / "export"), split, "test", 3)
    found = verdict(folder).comparison
    assert found is not None
    assert found.champion_accuracy == float(np.mean(own.correct))
