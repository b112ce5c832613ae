"""Stores studies in a file on this machine, or in a database that several searches can share."""

import contextlib
import itertools
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import numpy as np

from components.contract.errors import DarkroomError, ParamsError, SearchError
from components.contract.params.tuning import TuneParams
from components.contract.system.address import driver_uri, redact
from components.contract.system.cache import cache_dir, require_resumable
from components.contract.system.waiting import OUTAGE_SECONDS, is_outage, outage_seconds, wait_for
from components.contract.tracking.run import Run, end_run
from components.train.tuning.trials import DATASET, REASON, RUN_ID

if TYPE_CHECKING:
    import optuna

log = logging.getLogger(__name__)

STUDIES_VARIABLE: Final = "DARKROOM_STUDIES"
HEARTBEAT_SECONDS: Final = 30
RETRIES: Final = 2
OPENING_TRIES: Final = 3
SMALLEST_STUDY: Final = 2**18
"""The size of a new study file, in bytes; the folder is used only if it has this much space."""
WARM_UP_TRIALS: Final = 4
"""The number of trials that TPE draws at random, and that the median pruner does not stop."""


@contextlib.contextmanager
def open_study(name: str, fingerprint: str, tune: TuneParams, epochs: int) -> Iterator["optuna.Study"]:
    """Creates or opens the study; a study in a local file is locked until the block ends.

    Args:
        name: the name of the study.
        fingerprint: the fingerprint of the data set.
        tune: determines the objectives, the sampler, the pruner, and the number of workers.
        epochs: the maximum number of epochs per trial.

    Raises:
        ParamsError: there are several workers, but no database that they can share.
        SearchError: the study cannot be opened, another search is using it, or it belongs to a different data set.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    address = os.environ.get(STUDIES_VARIABLE)
    if tune.workers > 1 and (address is None or address.startswith("sqlite:")):
        raise ParamsError(
            f"tune.workers must be 1 without a shared database for the study; it is {tune.workers}. Set "
            f"{STUDIES_VARIABLE} to a PostgreSQL database, such as postgresql://user:password@host/optuna, "
            "or set tune.workers: 1."
        )
    with contextlib.ExitStack() as stack:
        if address is None:
            folder = stack.enter_context(_studies_folder())
            stack.enter_context(_exclusive_lock(folder / f"{name}.lock"))
            address = f"sqlite:///{quote(str((folder / 'studies.db').resolve()))}"
        study = _study(driver_uri(address), name, fingerprint, tune, epochs, stack)
        try:
            yield study
        except optuna.exceptions.StorageInternalError as error:
            reason = str(error.__cause__ or error).strip().splitlines()[0]
            raise SearchError(
                f"The studies cannot be written: {reason}. Free some space, or set another "
                f"folder with DARKROOM_CACHE or a database with {STUDIES_VARIABLE}; then run again."
            ) from None


@contextlib.contextmanager
def _studies_folder() -> Iterator[Path]:
    """Yields the folder for studies in the cache, or a temporary one if the cache cannot be written.

    Raises:
        ArtifactError: on a cluster, the cache cannot be written.
    """
    folder = cache_dir() / "studies"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".writable-") as probe:
            probe.write(bytes(SMALLEST_STUDY))
            probe.flush()
    except OSError as error:
        require_resumable(folder, error)
        log.warning("Studies cannot be stored in %s: %s. If interrupted, the search will start over.", folder, error)
        with tempfile.TemporaryDirectory(prefix="darkroom-study-") as scratch:
            yield Path(scratch)
    else:
        yield folder


def make_sampler(tune: TuneParams, number: int) -> "optuna.samplers.BaseSampler":
    """Creates the sampler of a trial.

    Each trial has a different seed, so that a search that continues after an interruption draws the same values as
    without the interruption, and never repeats values. If several searches share a study, each draws different values.
    """
    import optuna

    key = (number, *((os.getpid(), time.time_ns() % 2**32) if os.environ.get(STUDIES_VARIABLE) else ()))
    seed = int(np.random.SeedSequence(tune.seed, spawn_key=key).generate_state(1)[0])
    if tune.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    return optuna.samplers.TPESampler(
        seed=seed, multivariate=True, constant_liar=tune.workers > 1, n_startup_trials=WARM_UP_TRIALS
    )


def fail_interrupted_trials(study: "optuna.Study") -> None:
    """Marks interrupted trials as failed, so that they are repeated.

    In a local file, all trials that are marked as running were interrupted, because no other search uses the file.
    """
    import optuna

    running = study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.RUNNING])
    if os.environ.get(STUDIES_VARIABLE):
        optuna.storages.fail_stale_trials(study)
        running_numbers = {trial.number for trial in study.get_trials(states=[optuna.trial.TrialState.RUNNING])}
        running = [trial for trial in running if trial.number not in running_numbers]
    else:
        for trial in running:
            _end_cut_off(study, trial)
    for trial in running:
        cut_off = Run(trial.user_attrs.get(RUN_ID))
        cut_off.set_tags({"darkroom.trial_state": "interrupted"})
        end_run(cut_off, "KILLED")


def _end_cut_off(study: "optuna.Study", trial: "optuna.trial.FrozenTrial") -> None:
    """Marks a trial as failed; queues it again at most RETRIES times, because it may have caused the interruption."""
    from optuna.trial import TrialState

    failed = study.get_trials(deepcopy=False, states=[TrialState.FAIL])
    attempts = 1 + sum(other.params == trial.params for other in failed)
    storage, trial_id = study._storage, trial._trial_id  # noqa: SLF001 - Optuna has no public names for these
    if attempts > RETRIES:
        storage.set_trial_user_attr(
            trial_id, REASON, f"interrupted {attempts} times; the machine may have too little memory"
        )
        log.warning("Trial %d was interrupted %d times; it is skipped.", trial.number + 1, attempts)
    else:
        log.info("Trial %d was interrupted; it will be repeated.", trial.number + 1)
    storage.set_trial_state_values(trial_id, TrialState.FAIL)
    if attempts <= RETRIES:
        study.enqueue_trial(trial.params, skip_if_exists=True)


def _study(
    address: str, name: str, fingerprint: str, tune: TuneParams, epochs: int, stack: contextlib.ExitStack
) -> "optuna.Study":
    tries = itertools.count(1)

    def may_pass(error: Exception) -> bool:
        """Whether to retry: another search may be creating the tables right now, or the database may be down."""
        if isinstance(error, DarkroomError):
            return False
        return next(tries) < OPENING_TRIES or (is_outage(error) and outage_seconds() > 0)

    try:
        return wait_for(
            lambda: _study_at(address, name, fingerprint, tune, epochs, stack),
            "The study database",
            may_pass,
            OUTAGE_SECONDS,
        )
    except DarkroomError:
        raise
    except Exception as error:  # SQLAlchemy's and the drivers' errors have no common base class
        reason = redact((str(error).strip() or type(error).__name__).splitlines()[0])
        raise SearchError(
            f"The studies cannot be opened: {reason}. Check "
            f"{STUDIES_VARIABLE}, or unset it to use a file on this machine."
        ) from None


def _study_at(
    address: str, name: str, fingerprint: str, tune: TuneParams, epochs: int, stack: contextlib.ExitStack
) -> "optuna.Study":
    """Creates or opens the study at this address; the stack closes the database connections at the end."""
    import optuna

    storage = optuna.storages.RDBStorage(
        address,
        heartbeat_interval=HEARTBEAT_SECONDS,
        heartbeat_stale_trial_callback=optuna.storages.RetryHeartbeatStaleTrialCallback(max_retry=RETRIES),
    )
    stack.callback(storage.engine.dispose)
    study = optuna.create_study(
        study_name=name,
        storage=storage,
        load_if_exists=True,
        sampler=make_sampler(tune, 0),
        pruner=_pruner(tune, epochs),
        directions=["maximize" if objective == "accuracy" else "minimize" for objective in tune.objectives],
    )
    other = study.user_attrs.get(DATASET, fingerprint)
    if other != fingerprint:
        raise SearchError(
            f"The study {name} belongs to a different data set ({other[:12]}), not to this one ({fingerprint[:12]}). "
            f"Set another database with {STUDIES_VARIABLE}, or remove the study from the current one."
        )
    study.set_user_attr(DATASET, fingerprint)
    return study


def _pruner(tune: TuneParams, epochs: int) -> "optuna.pruners.BasePruner":
    import optuna

    if len(tune.objectives) > 1:
        return optuna.pruners.NopPruner()
    if tune.pruner == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=WARM_UP_TRIALS, n_warmup_steps=max(1, epochs // 10))
    if tune.pruner == "halving":
        return optuna.pruners.SuccessiveHalvingPruner(min_resource=max(1, epochs // 10))
    if tune.pruner == "hyperband":
        return optuna.pruners.HyperbandPruner(min_resource=max(1, epochs // 10), max_resource=epochs)
    return optuna.pruners.NopPruner()


@contextlib.contextmanager
def _exclusive_lock(path: Path) -> Iterator[None]:
    from filelock import FileLock, Timeout

    try:
        lock = FileLock(path, timeout=0).acquire()
    except Timeout:
        raise SearchError(
            "Another search is using this study, and a study in a file allows one search at a time. Wait until it "
            f"ends, or set {STUDIES_VARIABLE} to a PostgreSQL database."
        ) from None
    with lock:
        yield
