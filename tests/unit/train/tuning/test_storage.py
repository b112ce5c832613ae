"""Study storage: continuing a killed search, sharing a study among workers, and errors."""

import contextlib
import multiprocessing
import os
import signal
import time
from pathlib import Path
from typing import Any

import optuna
import pytest

from components.contract.artifacts.dataset import DatasetInfo
from components.contract.errors import ParamsError, SearchError
from components.contract.params.training import TrainParams
from components.contract.params.tuning import TuneParams
from components.contract.system import waiting
from components.contract.tracking.run import Run, create_run
from components.train.loop.fit_result import FitResult, Watch
from components.train.tuning import storage as tuning_storage
from components.train.tuning.search import Search
from components.train.tuning.storage import fail_interrupted_trials, open_study
from tests.support.postgres import running_postgres
from tests.unit.train.tuning.searches import RATES, TRAIN, pretend, run_search, storage, use_cache


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
    """Returns the values that the same search tries in each trial if it is not killed."""
    use_cache(tmp_path / "another", monkeypatch, empty_studies)
    return [trial.values for trial in Search(info, TRAIN, TuneParams(trials=5), RATES).run(pretend, Run(None)).trials]


def test_a_killed_search_continues_and_repeats_the_interrupted_trial(
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
    assert [trial.number for trial in study.trials if trial.state == "interrupted"] == [cut_off.number]
    assert [trial.values for trial in study.trials].count(cut_off.params) == 2, "the interrupted trial must be repeated"
    whole = uninterrupted(dataset[1], monkeypatch, tmp_path, empty_studies)
    assert [trial.values for trial in study.trials if trial.state != "interrupted"] == whole, (
        "the other trials must be those of an uninterrupted search"
    )
    client = MlflowClient()
    runs = client.search_runs([client.get_experiment_by_name("made").experiment_id])
    (child,) = [run for run in runs if run.data.tags.get("darkroom.trial") == str(cut_off.number)]
    assert (child.info.status, child.data.tags["darkroom.trial_state"]) == ("KILLED", "interrupted")


def share(info: DatasetInfo, slowly: bool) -> None:
    def patient(train: TrainParams, run: Run, watch: Watch) -> FitResult:
        time.sleep(600 if slowly else 0.2)
        return pretend(train, run, watch)

    Search(info, TRAIN, TuneParams(trials=12, workers=3), RATES).run(patient, Run(None))


def test_a_study_can_be_stored_at_a_postgresql_address_of_the_documented_form(monkeypatch: pytest.MonkeyPatch) -> None:
    with running_postgres("optuna") as address:
        assert address.startswith("postgresql://"), (
            "the test must use an address of the form in docs/tuning.md, without a driver"
        )
        monkeypatch.setenv("DARKROOM_STUDIES", address)
        with open_study("photos", "f" * 64, TuneParams(trials=2, workers=2), 4) as study:
            study.add_trial(optuna.trial.create_trial(value=0.5))
        with open_study("photos", "f" * 64, TuneParams(trials=2, workers=2), 4) as again:
            assert [trial.value for trial in again.trials] == [0.5]
        monkeypatch.setenv("DARKROOM_STUDIES", address.replace("for-this-test-alone", "wrong-password"))
        with (
            pytest.raises(SearchError, match="cannot be opened") as error,
            open_study("photos", "f" * 64, TuneParams(trials=2, workers=2), 4),
        ):
            pass
        assert "wrong-password" not in str(error.value)


@pytest.mark.proof
def test_three_workers_share_a_postgresql_study_and_none_waits_for_a_killed_worker(
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
        study = search.run(lambda *_: pytest.fail("no trial may run: the workers have run them all"), Run(None))
        assert 11 <= len(study.trials) <= 13, "the killed trial may be missing, and two workers may start the last one"
        assert all(trial.state in ("complete", "pruned") for trial in study.trials)
        assert len({trial.number for trial in study.trials}) == len(study.trials)


def test_a_second_search_of_the_same_study_is_refused(dataset: tuple[Path, DatasetInfo]) -> None:
    def second(train: TrainParams, run: Run, watch: Watch) -> FitResult:
        with pytest.raises(SearchError, match="Another search is using this study"):
            run_search(dataset[1], trials=1)
        return pretend(train, run, watch)

    Search(dataset[1], TRAIN, TuneParams(trials=1), RATES).run(second, Run(None))


@pytest.mark.filterwarnings("ignore:Heartbeat of storage:UserWarning")
def test_a_repeatedly_interrupted_trial_is_skipped(dataset: tuple[Path, DatasetInfo]) -> None:
    """For example, the trial may need so much memory that the system kills the whole process each time."""
    search = Search(dataset[1], TRAIN, TuneParams(trials=3), RATES)
    for _ in range(3):
        with search._open_study() as study:
            fail_interrupted_trials(study)
            trial = study.ask()
            trial.suggest_float("learning_rate", 1e-4, 1.0, log=True)
    study = search.run(pretend, Run(None))
    assert [trial.state for trial in study.trials] == ["interrupted", "interrupted", "failed", "complete", "complete"]
    assert len({trial.values["learning_rate"] for trial in study.trials[:3]}) == 1
    assert study.trials[2].reason == "interrupted 3 times; the machine may have too little memory"
    assert study.trials[3].values != study.trials[2].values


def test_a_study_of_other_photos_under_the_same_name_is_refused(dataset: tuple[Path, DatasetInfo]) -> None:
    search = Search(dataset[1], TRAIN, TuneParams(trials=1), RATES)
    study = optuna.create_study(study_name=search.name, storage=storage(), direction="maximize")
    study.set_user_attr("dataset", "f" * 64)
    with pytest.raises(SearchError, match=r"belongs to a different data set \(ffffffffffff\), not to this one \("):
        search.run(pretend, Run(None))


def test_several_workers_need_a_database_that_they_can_share(dataset: tuple[Path, DatasetInfo]) -> None:
    with pytest.raises(
        ParamsError,
        match=r"tune\.workers must be 1 without a shared database for the study; it is 3\. Set DARKROOM_STUDIES to a",
    ):
        run_search(dataset[1], workers=3)


def test_several_workers_cannot_share_a_file(
    dataset: tuple[Path, DatasetInfo], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DARKROOM_STUDIES", f"sqlite:///{tmp_path}/studies.db")
    with pytest.raises(
        ParamsError,
        match=r"tune\.workers must be 1 without a shared database for the study; it is 2\. Set DARKROOM_STUDIES to a",
    ):
        run_search(dataset[1], workers=2)


def test_an_unreachable_database_is_reported(
    dataset: tuple[Path, DatasetInfo], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DARKROOM_STUDIES", f"sqlite:///{tmp_path}/file/studies.db")
    with pytest.raises(SearchError, match=r"The studies cannot be (opened|written)"):
        run_search(dataset[1])


@pytest.mark.parametrize("is_pod", [True, False])
def test_a_pod_waits_for_the_study_database(
    is_pod: bool, dataset: tuple[Path, DatasetInfo], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def refuse(*_: object) -> object:
        calls.append(1)
        if len(calls) < 6:
            raise OSError("connection to server failed: Connection refused")
        return "study"

    if is_pod:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    else:
        monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr(waiting, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(tuning_storage, "_study_at", refuse)
    monkeypatch.setenv("DARKROOM_STUDIES", "postgresql://127.0.0.1/optuna")
    expectation = contextlib.nullcontext() if is_pod else pytest.raises(SearchError, match="cannot be opened")
    with expectation, open_study("name", "fingerprint", TuneParams(), 1) as study:
        assert study == "study"
    assert len(calls) == (6 if is_pod else tuning_storage.OPENING_TRIES)
