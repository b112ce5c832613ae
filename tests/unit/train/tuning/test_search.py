"""The search: what it tries, what it keeps, and how it goes on after a kill."""

import json
import multiprocessing
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import optuna
import pytest

from components.contract.artifacts.dataset import DatasetInfo
from components.contract.artifacts.study import StudyInfo, read_study
from components.contract.errors import ModelError, ParamsError, SearchError
from components.contract.layers.stack import parse_layer
from components.contract.params.model import ModelParams
from components.contract.params.pipeline import load_params
from components.contract.params.resolve import resolve
from components.contract.params.training import Phase, TrainParams, read_best
from components.contract.params.tuning import Choices, Range, Space, TuneParams, auto_space, check_space, with_values
from components.contract.system.program import EVENTS_VARIABLE, FINISH_FILE, running_step
from components.contract.tracking.run import Run, create_run
from components.train.loop.fit_result import FitResult, Watch
from components.train.tune import tune
from components.train.tuning.cost import Cost, CostMeter
from components.train.tuning.search import Search
from components.train.tuning.storage import fail_interrupted_trials, open_study
from tests.support.artifacts import make_dataset
from tests.support.postgres import running_postgres

LAYERS = tuple(map(parse_layer, [{"Conv2D": {"filters": 4, "kernel_size": 3}}, "Flatten", {"Dropout": {"rate": 0.1}}]))
TRAIN = TrainParams(
    model=ModelParams(kind="layers", layers=LAYERS),
    trainable="all",
    augmentation="none",
    epochs=5,
    batch_size=8,
    early_stopping=None,
)
RATES: Space = {"learning_rate": Range(low=1e-4, high=1.0, log=True)}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DatasetInfo]:
    folder = tmp_path_factory.mktemp("made") / "dataset"
    return folder, make_dataset(folder, per_class=10)


@pytest.fixture(scope="module")
def empty_studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose tables stand, which takes seconds to make."""
    path = tmp_path_factory.mktemp("studies") / "studies.db"
    optuna.storages.RDBStorage(f"sqlite:///{path}").engine.dispose()
    return path


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_studies: Path) -> None:
    monkeypatch.delenv("DARKROOM_STUDIES", raising=False)
    use_cache(tmp_path / "cache", monkeypatch, empty_studies)


def use_cache(folder: Path, monkeypatch: pytest.MonkeyPatch, empty_studies: Path) -> None:
    (folder / "studies").mkdir(parents=True)
    shutil.copy(empty_studies, folder / "studies" / "studies.db")
    monkeypatch.setenv("DARKROOM_CACHE", str(folder))


def accuracy_at(rate: float) -> float:
    """Best at 0.01."""
    import math

    return round(0.95 - 0.1 * abs(math.log10(rate) + 2), 6)


def pretend(train: TrainParams, run: Run, watch: Watch) -> FitResult:
    """A training whose accuracy follows from its rate, growing over its epochs."""
    final, result = accuracy_at(train.learning_rate), FitResult()
    for epoch in range(1, train.epochs + 1):
        figures = {"loss": 1.0, "val_accuracy": final * (1 - 0.5**epoch)}
        for name, value in figures.items():
            result.history.setdefault(name, []).append(value)
        watch(epoch, figures)
    result.best_epoch = train.epochs
    return result


def run_search(info: DatasetInfo, space: Space = RATES, **tune_params: Any) -> tuple[Search, StudyInfo]:
    search = Search(info, TRAIN, TuneParams(**{"trials": 12} | tune_params), space)
    return search, search.run(pretend, Run(None))


def test_the_best_value_is_found_and_poor_trials_end_early(dataset: tuple[Path, DatasetInfo]) -> None:
    search, study = run_search(dataset[1], trials=16)
    best = next(trial for trial in study.trials if trial.number == study.best)
    assert best.accuracy is not None
    assert best.accuracy > 0.88
    assert search.with_best(study).learning_rate == best.values["learning_rate"]
    pruned = [trial for trial in study.trials if trial.state == "pruned"]
    assert pruned
    assert all(trial.epochs < 5 and trial.accuracy is None for trial in pruned)
    assert len(study.trials) == 16


def test_the_same_seed_tries_the_same_values(
    dataset: tuple[Path, DatasetInfo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_studies: Path
) -> None:
    tried = []
    for name in ("one", "two"):
        use_cache(tmp_path / name, monkeypatch, empty_studies)
        tried.append([trial.values for trial in run_search(dataset[1], trials=7)[1].trials])
    assert tried[0] == tried[1]


@pytest.mark.parametrize("pruner", ["median", "halving", "hyperband", "none"])
def test_every_pruner_works(dataset: tuple[Path, DatasetInfo], pruner: str) -> None:
    study = run_search(dataset[1], trials=9, pruner=pruner, sampler="random")[1]
    assert len(study.trials) == 9
    assert pruner != "none" or all(trial.state == "complete" for trial in study.trials)


def test_a_finished_search_is_not_searched_again_and_a_larger_budget_goes_on(
    dataset: tuple[Path, DatasetInfo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run_search(dataset[1], trials=6)[1]
    monkeypatch.setenv(EVENTS_VARIABLE, str(tmp_path / "events.jsonl"))
    with running_step("tune"):
        again = Search(dataset[1], TRAIN, TuneParams(trials=6), RATES).run(lambda *_: pytest.fail("tried"), Run(None))
    assert again == first
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [(event["number"], event["accuracy"]) for event in events if event["event"] == "trial"] == [
        (trial.number, trial.accuracy) for trial in first.trials
    ], "whoever follows sees the trials of earlier searches too"
    more = run_search(dataset[1], trials=8)[1]
    assert more.trials[:6] == first.trials
    assert len(more.trials) == 8


def test_a_search_that_is_asked_to_finish_ends_with_its_best_trial_and_leaves_training_alone(
    dataset: tuple[Path, DatasetInfo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(EVENTS_VARIABLE, str(tmp_path / "events.jsonl"))
    (tmp_path / FINISH_FILE).touch()
    with running_step("tune"):
        study = run_search(dataset[1], trials=5)[1]
    assert [trial.state for trial in study.trials] == ["complete"]
    assert not (tmp_path / FINISH_FILE).exists(), "what follows is not cut short as well"
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [event["state"] for event in events if event["event"] == "trial"] == ["running", "complete"]


def test_other_photos_or_another_space_are_another_study(dataset: tuple[Path, DatasetInfo]) -> None:
    info = dataset[1]
    names = {
        Search(info, TRAIN, TuneParams(), RATES).name,
        Search(info.model_copy(update={"fingerprint": "f" * 64}), TRAIN, TuneParams(), RATES).name,
        Search(info, TRAIN, TuneParams(), {"learning_rate": Range(low=1e-4, high=0.1, log=True)}).name,
        Search(info, TRAIN.model_copy(update={"epochs": 3}), TuneParams(), RATES).name,
    }
    assert len(names) == 4


def slow_search(info: DatasetInfo, begun: Any) -> None:
    def hang(train: TrainParams, run: Run, watch: Watch) -> FitResult:
        if len(optuna.load_study(study_name=search.name, storage=storage()).trials) > 2:
            begun.set()
            time.sleep(600)
        return pretend(train, run, watch)

    search = Search(info, TRAIN, TuneParams(trials=5), RATES)
    search.run(hang, create_run(experiment="made", name="search"))


def uninterrupted(
    info: DatasetInfo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, empty_studies: Path
) -> list[dict[str, Any]]:
    """What the same search tries where nothing kills it."""
    use_cache(tmp_path / "another", monkeypatch, empty_studies)
    return [trial.values for trial in Search(info, TRAIN, TuneParams(trials=5), RATES).run(pretend, Run(None)).trials]


def storage() -> str:
    return f"sqlite:///{os.environ['DARKROOM_CACHE']}/studies/studies.db"


def test_a_killed_search_goes_on_and_tries_what_was_cut_off_again(
    dataset: tuple[Path, DatasetInfo],
    mlflow_store: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    empty_studies: Path,
) -> None:
    from mlflow import MlflowClient

    context = multiprocessing.get_context("fork")
    begun = context.Event()
    process = context.Process(target=slow_search, args=(dataset[1], begun))
    process.start()
    assert begun.wait(60)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    search = Search(dataset[1], TRAIN, TuneParams(trials=5), RATES)
    (cut_off,) = (
        trial
        for trial in optuna.load_study(study_name=search.name, storage=storage()).trials
        if trial.state == optuna.trial.TrialState.RUNNING
    )
    study = search.run(pretend, Run(None))
    states = [trial.state for trial in study.trials]
    assert states.count("complete") + states.count("pruned") == 5
    assert [trial.number for trial in study.trials if trial.state == "failed"] == [cut_off.number]
    assert [trial.values for trial in study.trials].count(cut_off.params) == 2, "no trial is lost, none left running"
    whole = uninterrupted(dataset[1], monkeypatch, tmp_path, empty_studies)
    assert [trial.values for trial in study.trials if trial.state != "failed"] == whole, "and nothing is tried twice"
    client = MlflowClient()
    runs = client.search_runs([client.get_experiment_by_name("made").experiment_id])
    (child,) = [run for run in runs if run.data.tags.get("darkroom.trial") == str(cut_off.number)]
    assert (child.info.status, child.data.tags["darkroom.trial_state"]) == ("KILLED", "failed")


def share(info: DatasetInfo, slowly: bool) -> None:
    def patient(train: TrainParams, run: Run, watch: Watch) -> FitResult:
        time.sleep(600 if slowly else 0.2)
        return pretend(train, run, watch)

    Search(info, TRAIN, TuneParams(trials=12, workers=3), RATES).run(patient, Run(None))


def test_a_study_is_kept_in_a_postgresql_that_is_named_as_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    with running_postgres("optuna") as address:
        assert address.startswith("postgresql://"), "docs/kubernetes.md, without a driver"
        monkeypatch.setenv("DARKROOM_STUDIES", address)
        with open_study("photos", "f" * 64, TuneParams(trials=2, workers=2), 4) as study:
            study.add_trial(optuna.trial.create_trial(value=0.5))
        with open_study("photos", "f" * 64, TuneParams(trials=2, workers=2), 4) as again:
            assert [trial.value for trial in again.trials] == [0.5]
        monkeypatch.setenv("DARKROOM_STUDIES", address.replace("for-this-test-alone", "wrong-password"))
        with (
            pytest.raises(SearchError, match="must be in reach") as error,
            open_study("photos", "f" * 64, TuneParams(trials=2, workers=2), 4),
        ):
            pass
        assert "wrong-password" not in str(error.value)


@pytest.mark.proof
def test_three_workers_share_a_study_in_a_postgresql_and_none_waits_for_one_that_was_killed(
    dataset: tuple[Path, DatasetInfo], monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_postgres("optuna") as address:
        monkeypatch.setenv("DARKROOM_STUDIES", address)
        context = multiprocessing.get_context("fork")
        workers = [context.Process(target=share, args=(dataset[1], slowly)) for slowly in (False, False, True)]
        for worker in workers:
            worker.start()
        for worker in workers[:2]:
            worker.join(120)
            assert worker.exitcode == 0
        workers[2].kill()
        workers[2].join()
        search = Search(dataset[1], TRAIN, TuneParams(trials=12, workers=3), RATES)
        study = search.run(lambda *_: pytest.fail("the budget is spent"), Run(None))
        assert 11 <= len(study.trials) <= 13, "those that had ended; two may have begun the last one at once"
        assert all(trial.state in ("complete", "pruned") for trial in study.trials)
        assert len({trial.number for trial in study.trials}) == len(study.trials)


def test_a_second_search_of_the_same_study_is_told_to_wait(dataset: tuple[Path, DatasetInfo]) -> None:
    def second(train: TrainParams, run: Run, watch: Watch) -> FitResult:
        with pytest.raises(SearchError, match="another is at work on this one"):
            run_search(dataset[1], trials=1)
        return pretend(train, run, watch)

    Search(dataset[1], TRAIN, TuneParams(trials=1), RATES).run(second, Run(None))


def test_a_model_that_cannot_be_is_left_out_with_its_reason(dataset: tuple[Path, DatasetInfo]) -> None:
    """A window of 30 px fits no photo of 16 px."""
    space: Space = {"model.layers[0].Conv2D.kernel_size": Choices(choices=(3, 30))}
    study = run_search(dataset[1], space, trials=6, sampler="random")[1]
    impossible = [trial for trial in study.trials if trial.values["model.layers[0].Conv2D.kernel_size"] == 30]
    assert impossible
    assert all(trial.state == "pruned" and "larger than its input" in str(trial.reason) for trial in impossible)


def test_a_trial_without_memory_is_failed_with_its_reason_and_the_study_goes_on(
    dataset: tuple[Path, DatasetInfo],
) -> None:
    import tensorflow as tf

    errors = [tf.errors.ResourceExhaustedError(None, None, "OOM when allocating\nmore"), MemoryError()]

    def hungry(train: TrainParams, run: Run, watch: Watch) -> FitResult:
        if errors:
            raise errors.pop(0)
        return pretend(train, run, watch)

    study = Search(dataset[1], TRAIN, TuneParams(trials=4, pruner="none"), RATES).run(hungry, Run(None))
    assert [trial.state for trial in study.trials] == ["failed", "failed", "complete", "complete"]
    assert [trial.reason for trial in study.trials[:2]] == [
        "out of memory: OOM when allocating",
        "out of memory: of this machine",
    ]


@pytest.mark.filterwarnings("ignore:Heartbeat of storage:UserWarning")
def test_a_trial_that_is_cut_off_again_and_again_is_left_out(dataset: tuple[Path, DatasetInfo]) -> None:
    """As by the system, where the memory of a trial ends the whole process."""
    search = Search(dataset[1], TRAIN, TuneParams(trials=3), RATES)
    for _ in range(3):
        with search._open_study() as study:
            fail_interrupted_trials(study)
            trial = study.ask()
            trial.suggest_float("learning_rate", 1e-4, 1.0, log=True)
    study = search.run(pretend, Run(None))
    assert [trial.state for trial in study.trials] == ["failed", "failed", "failed", "complete", "complete"]
    assert len({trial.values["learning_rate"] for trial in study.trials[:3]}) == 1
    assert study.trials[2].reason == "cut off 3 times: is the memory too small?"
    assert study.trials[3].values != study.trials[2].values


COSTS = {0: Cost(2.0, 8.0), 1: Cost(5.0, 4.0), 2: Cost(30.0, 2.0)}
"""By the place of a network among the choices below."""
NETWORKS: Space = {
    "learning_rate": Range(low=1e-4, high=1.0, log=True),
    "model.layers[0].Conv2D.filters": Choices(choices=(4, 8, 16)),
}


def measure_cost(train: TrainParams) -> Cost:
    assert train.model.layers is not None
    return COSTS[(4, 8, 16).index(train.model.layers[0].filters)]


def test_several_objectives_give_a_front_of_which_train_takes_the_most_accurate(
    dataset: tuple[Path, DatasetInfo], tmp_path: Path
) -> None:
    tune_params = TuneParams(trials=7, objectives=("accuracy", "latency", "size"))
    search = Search(dataset[1], TRAIN, tune_params, NETWORKS)
    study = search.run(pretend, Run(None), measure_cost)
    assert all(trial.state == "complete" for trial in study.trials), "none can be pruned"
    trials = {trial.number: trial for trial in study.trials}
    figures = {
        number: (-(trial.accuracy or 0), trial.latency_ms or 0, trial.size_mb or 0) for number, trial in trials.items()
    }

    def beaten(number: int) -> bool:
        return any(
            other != figures[number] and all(a <= b for a, b in zip(other, figures[number], strict=True))
            for other in figures.values()
        )

    assert set(study.front) == {number for number in figures if not beaten(number)}
    assert study.best == study.front[0] == max(trials, key=lambda number: (trials[number].accuracy or 0, -number))
    assert study.choice.startswith(f"The Pareto front of accuracy and latency and size holds {len(study.front)} of")
    assert f"train takes the most accurate of them, number {study.best + 1}." in study.choice
    search.draw(tmp_path / "study.html", study)
    page = (tmp_path / "study.html").read_text()
    assert "<h2>The Pareto front</h2>" in page
    assert page.count("taken for training") == 1
    assert study.choice in page
    assert "Nothing to show" not in page


def test_a_network_is_weighed_as_it_will_be_served_and_once(dataset: tuple[Path, DatasetInfo]) -> None:
    meter = CostMeter(dataset[1])
    cost = meter.measure(TRAIN)
    convolution, dense = 3 * 3 * 3 * 4 + 4, (14 * 14 * 4 + 1) * 3
    assert cost.size_mb == pytest.approx(4 * (convolution + dense) / 1e6)
    assert 0 < cost.latency_ms < 100
    assert meter.measure(TRAIN.model_copy(update={"learning_rate": 0.5})) is cost
    assert meter.measure(TRAIN.model_copy(update={"image_size": 8})).size_mb < cost.size_mb


@pytest.mark.proof
def test_a_size_that_is_searched_is_trained_exported_and_evaluated(
    dataset: tuple[Path, DatasetInfo], tmp_path: Path, mlflow_store: str
) -> None:
    from components.contract.inference.graph import InferenceGraph
    from components.contract.params.pipeline import EvaluateParams
    from components.evaluate.step import evaluate
    from components.train.step import train

    shutil.copytree(dataset[0], tmp_path / "dataset")
    params = TuneParams(trials=3, space={"image_size": Choices(choices=(8, 10))}, objectives=("accuracy", "size"))
    study = tune(tmp_path / "dataset", params, TRAIN.model_copy(update={"epochs": 2}), tmp_path / "study")
    best = read_best(tmp_path / "study")
    assert best.image_size in (8, 10)
    assert all(trial.size_mb for trial in study.trials)
    bundle = train(tmp_path / "dataset", best, tmp_path / "model")
    assert (bundle.image_size, bundle.params["image_size"]) == ((16, 16), best.image_size)
    assert InferenceGraph(tmp_path / "model" / "export").image_size == (16, 16)
    evaluate(
        tmp_path / "dataset",
        tmp_path / "model",
        EvaluateParams(bootstrap_resamples=100),
        "colours",
        tmp_path / "evaluation",
        tmp_path / "study",
    )
    report = (tmp_path / "evaluation" / "report.html").read_text()
    assert "The Pareto front of accuracy and size holds" in report


def test_a_network_over_the_bound_is_not_trained(dataset: tuple[Path, DatasetInfo]) -> None:
    def quick(train: TrainParams, run: Run, watch: Watch) -> FitResult:
        assert measure_cost(train).latency_ms <= 10
        return pretend(train, run, watch)

    params = TuneParams(trials=5, max_latency_ms=10.0, sampler="random")
    study = Search(dataset[1], TRAIN, params, NETWORKS).run(quick, Run(None), measure_cost)
    slow = [trial for trial in study.trials if trial.latency_ms == 30]
    assert slow
    assert all(trial.reason == "its network takes 30.0 ms a photo, over tune.max_latency_ms, 10" for trial in slow)
    assert study.choice == f"Train takes the most accurate trial within 10 ms a photo, number {(study.best or 0) + 1}."
    with pytest.raises(SearchError, match=r"none did: its network takes 2\.0 MB, over tune\.max_size_mb, 1; its"):
        Search(dataset[1], TRAIN, TuneParams(trials=5, max_size_mb=1.0, sampler="random"), NETWORKS).run(
            quick, Run(None), measure_cost
        )


def test_each_backbone_sees_photos_of_its_own_size_and_a_size_that_is_searched_wins(
    dataset: tuple[Path, DatasetInfo],
) -> None:
    info = dataset[1].model_copy(update={"image_size": (299, 299)})
    base = TrainParams(
        model=ModelParams(kind="pretrained", name="Xception", weights="none", head=LAYERS[1:]),
        trainable="all",
        augmentation="none",
        epochs=2,
    )
    sizes_seen: list[tuple[str | None, Any]] = []

    def look(train: TrainParams, run: Run, watch: Watch) -> FitResult:
        sizes_seen.append((train.model.name, train.input_size((299, 299))))
        return pretend(train, run, watch)

    names = Choices(choices=("MobileNetV2", "Xception"))
    params = TuneParams(trials=4, sampler="random")
    search = Search(info, base, params, {"model.name": names})
    study = search.run(look, Run(None))
    assert set(sizes_seen) == {("MobileNetV2", (224, 224)), ("Xception", (299, 299))}
    best = next(trial for trial in study.trials if trial.number == study.best)
    assert search.with_best(study).image_size == (224 if best.values["model.name"] == "MobileNetV2" else None)
    sizes_seen.clear()
    Search(info, base, params, {"model.name": names, "image_size": Choices(choices=(96, 160))}).run(look, Run(None))
    assert {size for _, size in sizes_seen} == {(96, 96), (160, 160)}


def test_a_study_of_other_photos_under_the_same_name_is_refused(dataset: tuple[Path, DatasetInfo]) -> None:
    search = Search(dataset[1], TRAIN, TuneParams(trials=1), RATES)
    study = optuna.create_study(study_name=search.name, storage=storage(), direction="maximize")
    study.set_user_attr("dataset", "f" * 64)
    with pytest.raises(SearchError, match=r"must be of these photos \(.*\); it is of others \(ffffffffffff\)"):
        search.run(pretend, Run(None))


def test_a_search_without_any_end_says_why(dataset: tuple[Path, DatasetInfo]) -> None:
    def broken(train: TrainParams, run: Run, watch: Watch) -> FitResult:
        raise ModelError("The loss must stay a number.")

    with pytest.raises(SearchError, match=r"none did: The loss must stay a number\."):
        Search(dataset[1], TRAIN, TuneParams(trials=2), RATES).run(broken, Run(None))


def test_several_workers_need_a_database_that_they_can_share(dataset: tuple[Path, DatasetInfo]) -> None:
    with pytest.raises(ParamsError, match=r"tune\.workers: 3 share .* set DARKROOM_STUDIES to a PostgreSQL"):
        run_search(dataset[1], workers=3)


def test_several_workers_cannot_share_a_file(
    dataset: tuple[Path, DatasetInfo], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DARKROOM_STUDIES", f"sqlite:///{tmp_path}/studies.db")
    with pytest.raises(ParamsError, match=r"tune\.workers: 2 share .* set DARKROOM_STUDIES to a PostgreSQL"):
        run_search(dataset[1], workers=2)


def test_a_database_out_of_reach_is_told(
    dataset: tuple[Path, DatasetInfo], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DARKROOM_STUDIES", f"sqlite:///{tmp_path}/file/studies.db")
    with pytest.raises(SearchError, match="The studies must be in reach and writable"):
        run_search(dataset[1])


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({}, "must name at least one key"),
        ({"learning_rat": Range(low=1, high=2)}, "train has no learning_rat; there are "),
        ({"epochs": Range(low=0, high=3)}, "train cannot have epochs=0: epochs: expected greater than or equal to 1"),
        ({"optimizer": Choices(choices=("adam", "adm"))}, "train cannot have optimizer=adm"),
        ({"model.layers[9].Dropout.rate": Range(low=0.0, high=0.5)}, "train has no model.layers[9].Dropout.rate"),
        ({"model": Choices(choices=("layers", "pretrained"))}, "train cannot have model=layers: model: expected"),
        ({"phases": Choices(choices=(1, 2))}, "train cannot have phases=1: phases"),
        (
            {"image_size": Choices(choices=(8, 32))},
            "image_size must not be larger than the photos are prepared, 16 × 16",
        ),
        ({"model.layers[2].Dropout.rat": Range(low=0.0, high=0.5)}, "rat: unknown key (did you mean rate?)"),
    ],
)
def test_a_space_that_cannot_be_is_refused_before_any_trial(space: Space, message: str) -> None:
    with pytest.raises(ParamsError) as error:
        check_space(TRAIN, space, (16, 16))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{learning_rate: {low: 3, high: 1}}", "low must be below high; found 3 and 1"),
        ("{learning_rate: {low: 1, high: 1}}", "low must be below high; found 1 and 1"),
        ("{learning_rate: {low: 0, high: 1, log: true}}", "must begin above 0; found 0"),
        ("{learning_rate: {low: 1, high: 4, log: true, step: 1}}", "either log or step; found both"),
        ("{optimizer: {choices: [adam]}}", "choices"),
    ],
)
def test_a_range_that_cannot_be_is_refused_when_params_are_read(text: str, message: str) -> None:
    with pytest.raises(ParamsError) as error:
        load_params(None, ("data.uri=x", f"tune.space={text}"))
    assert message in str(error.value)


@pytest.mark.parametrize("objectives", ["[]", "[latency]", "[accuracy, accuracy]"])
def test_objectives_that_cannot_be_are_refused(objectives: str) -> None:
    with pytest.raises(ParamsError, match="objectives must hold accuracy, and each of accuracy, latency and size"):
        load_params(None, ("data.uri=x", f"tune.objectives={objectives}"))


@pytest.mark.parametrize(
    ("settings", "size"),
    [
        (("tune.space={image_size: {choices: [160, 192]}}",), 192),
        (("tune.space={image_size: {low: 96, high: 256, step: 32}}", "train.image_size=160"), 256),
        (("tune.space={model.name: {choices: [MobileNetV2, Xception]}}", "train.model.name=MobileNetV2"), 299),
        (
            (
                "tune.space={model.name: {choices: [MobileNetV2, Xception]}}",
                "train.model.name=Xception",
                "preprocess.image_size=240",
            ),
            240,
        ),
        (("train.image_size=160", "tune.trials=0"), 160),
    ],
)
def test_photos_are_prepared_at_the_largest_size_that_is_needed(settings: tuple[str, ...], size: int) -> None:
    params = load_params(None, ("data.uri=x", "tune.trials=3", *settings))
    resolved = resolve(params, native_size=(533, 400), data_name="x").params
    assert resolved.preprocess.image_size == size
    assert resolved.train.input_size((size, size)) == (
        (160, 160) if "train.image_size=160" in settings else (size, size)
    )


def test_a_network_cannot_see_more_than_is_prepared() -> None:
    params = load_params(None, ("data.uri=x", "train.image_size=320", "preprocess.image_size=224"))
    with pytest.raises(
        ParamsError, match=r"train\.image_size must not be larger than the photos are prepared, 224 × 224"
    ):
        resolve(params, native_size=(533, 400), data_name="x")


def test_a_value_of_a_phase_is_set_in_its_phase() -> None:
    phased = TRAIN.model_copy(update={"phases": (Phase(epochs=1), Phase(epochs=2))})
    assert with_values(phased, {"phases[1].learning_rate": 0.5}).all_phases[1].learning_rate == 0.5
    with pytest.raises(ParamsError, match=r"learning_rate belongs to a phase, .* such as phases\[1\]\.learning_rate"):
        with_values(phased, {"learning_rate": 0.5})


def test_the_automatic_space_fits_every_kind_of_model() -> None:
    phased = TRAIN.model_copy(update={"phases": (Phase(epochs=1), Phase(epochs=2))})
    head = TRAIN.model_copy(update={"model": ModelParams(kind="pretrained", name="MobileNetV2", head=LAYERS[1:])})
    for train in (TRAIN, phased, head):
        space = auto_space(train)
        check_space(train, space, (16, 16))
        assert any(key.endswith("learning_rate") for key in space)
        assert any(key.endswith("Dropout.rate") for key in space)


def test_the_step_searches_for_real_and_train_takes_what_it_found(
    dataset: tuple[Path, DatasetInfo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    store = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    params = TuneParams(trials=2, space={"learning_rate": Choices(choices=(0.01, 0.03))})
    study = tune(dataset[0], params, TRAIN.model_copy(update={"epochs": 2}), tmp_path / "study")
    assert read_study(tmp_path / "study") == study
    best = next(trial for trial in study.trials if trial.number == study.best)
    assert read_best(tmp_path / "study").learning_rate == best.values["learning_rate"]
    page = (tmp_path / "study" / "study.html").read_text()
    assert "plotly" in page
    assert 'src="http' not in page
    assert (tmp_path / "study" / "study.html").stat().st_size < 5_000_000
    client = mlflow.MlflowClient(store)
    runs = client.search_runs([client.get_experiment_by_name(dataset[1].name).experiment_id])
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == study.mlflow_run_id]
    assert sorted(run.data.tags["darkroom.trial_state"] for run in children) == ["complete", "complete"]
    assert all(run.info.status == "FINISHED" for run in children)
    assert all(len(client.get_metric_history(run.info.run_id, "val_accuracy")) == 2 for run in children)
    parent = client.get_run(study.mlflow_run_id)
    assert parent.data.params["best.learning_rate"] == str(best.values["learning_rate"])


def test_without_trials_the_given_params_are_the_best(dataset: tuple[Path, DatasetInfo], tmp_path: Path) -> None:
    assert tune(dataset[0], TuneParams(), TRAIN, tmp_path / "study").trials == ()
    assert read_best(tmp_path / "study") == TRAIN
    assert json.loads((tmp_path / "study" / "study.json").read_text())["best"] is None
