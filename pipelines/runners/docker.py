"""Runs the tasks in containers with KFP's Docker runner: sets the containers' mounts, user and limits.

Everything is mounted at the same path as on this machine, so that arguments, SQLite addresses and paths in the log are
valid inside and outside the containers. Each container has a label with the id of its run, by which it is found,
watched and removed.
"""

import contextlib
import os
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from components.contract.errors import ParamsError
from components.contract.params.pipeline import Params
from components.contract.store.folder_store import STORE_VARIABLE
from components.contract.system.cache import HOME
from components.contract.system.program import EVENTS_VARIABLE
from pipelines.images.build import SOURCE_LABEL, STEPS, EngineError, connect_engine, image_name, source_digest

if TYPE_CHECKING:
    from kfp.dsl.graph_component import GraphComponent
    from kfp.local import DockerRunner

RUN_LABEL: Final = "org.darkroom.run"
PASSED_ON: Final = ("AWS_", "DARKROOM_", "MLFLOW_")
"""Environment variables with these prefixes are passed to the containers."""
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
CONTAINER_TMP: Final = "/tmp"  # noqa: S108 - a tmpfs that only one container sees


@dataclass(frozen=True)
class Limits:
    """The limits of a container.

    Attributes:
        memory: the memory limit in Docker's format, such as `4g`; None for no limit.
        gpus: the number of GPUs.
    """

    memory: str | None = None
    gpus: int = 0


def parse_limits(runner: str, *, memory: str | None, gpus: int) -> Limits | None:
    """Returns the container limits that the options set; None if the tasks run as subprocesses.

    Raises:
        ParamsError: limits are set, but the run uses no containers.
    """
    if runner == "docker":
        return Limits(memory=memory, gpus=gpus)
    if memory or gpus:
        raise ParamsError("--memory and --gpus apply to containers, which this run does not use; add --runner docker.")
    return None


@dataclass(frozen=True)
class Containers:
    """The settings of the containers of a run.

    Attributes:
        run_id: the id of the run.
        writable: the folders that the tasks write to.
        readable: the files and folders that the tasks only read.
        environment: the environment variables of the tasks.
        limits: the limits of each container.
    """

    run_id: str
    writable: tuple[str, ...]
    readable: tuple[str, ...]
    environment: dict[str, str]
    limits: Limits

    def to_json(self) -> dict[str, Any]:
        """Encodes the settings for `from_json` in another process."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Containers":
        """Decodes the result of `to_json`."""
        return cls(**document | {"limits": Limits(**document["limits"])})

    def runner(self) -> "DockerRunner":
        """Creates KFP's runner with these settings."""
        from kfp.local import DockerRunner

        return DockerRunner(**self.run_arguments())

    def run_arguments(self) -> dict[str, Any]:
        """The arguments for docker-py's `containers.run`."""
        from docker.types import DeviceRequest, Mount

        gpus = self.limits.gpus
        return {
            "mounts": [
                *(Mount(path, path, type="bind") for path in self.writable),
                *(Mount(path, path, type="bind", read_only=True) for path in self.readable),
            ],
            "user": f"{os.getuid()}:{os.getgid()}",
            "environment": self.environment,
            "labels": {RUN_LABEL: self.run_id},
            "working_dir": str(Path.cwd()),
            "init": True,
            "read_only": True,
            "tmpfs": {CONTAINER_TMP: "exec,mode=1777"},
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "mem_limit": self.limits.memory,
            "memswap_limit": self.limits.memory,
            "network_mode": "host" if _is_local(self.environment.get("MLFLOW_TRACKING_URI", "")) else None,
            "device_requests": [DeviceRequest(count=gpus, capabilities=[["gpu"]])] if gpus else None,
        }


def plan_containers(run_dir: Path, params: Params, environment: dict[str, str], limits: Limits) -> Containers:
    """Determines the settings of the containers of a run.

    Args:
        run_dir: the run's folder.
        params: the resolved params, which name the data and the model files to mount.
        environment: the environment variables that the tasks would have without containers.
        limits: the limits of each container.
    """
    from components.preprocess.sources.provenance import ORIGIN_VARIABLE, find_origin
    from components.preprocess.sources.remote.addresses import is_remote, repository_of

    uri, model = params.data.uri, params.train.model
    writable = [run_dir, HOME]
    if cache := environment.get("DARKROOM_CACHE"):
        writable.append(Path(cache))
    shared = environment.get(STORE_VARIABLE)
    if shared and "://" not in shared:
        writable.append(Path(shared))
    store = environment.get("MLFLOW_TRACKING_URI", "")
    if store.startswith("sqlite:///"):
        writable.append(Path(store.removeprefix("sqlite:///")).parent)
    for folder in writable:
        folder.mkdir(parents=True, exist_ok=True)
    data = repository_of(uri) if is_remote(uri) else uri
    readable = [
        Path(name).expanduser()
        for name in (data, model.weights, model.path, model.from_)
        if name and "://" not in str(name)
    ]
    passed_variables = {key: value for key, value in environment.items() if key.startswith(PASSED_ON)}
    origin = {} if is_remote(uri) else {ORIGIN_VARIABLE: find_origin(uri).model_dump_json()}
    return Containers(
        run_id=run_dir.name,
        writable=tuple(dict.fromkeys(str(folder.resolve()) for folder in writable)),
        readable=tuple(str(path.resolve()) for path in readable if path.exists()),
        environment={
            **passed_variables,
            **origin,
            EVENTS_VARIABLE: environment[EVENTS_VARIABLE],
            "HOME": CONTAINER_TMP,
        },
        limits=limits,
    )


def use_gpu_image(pipeline: "GraphComponent") -> None:
    """Switches the tasks that use the train image to its variant with CUDA."""
    executors = pipeline.pipeline_spec.deployment_spec["executors"]
    for name in list(executors):
        container = executors[name]["container"]
        if container["image"] == image_name("train"):
            container["image"] = image_name("train", gpu=True)


def check_images(*, gpu: bool = False) -> None:
    """Checks that the engine answers and has current images of all steps for its platform.

    Args:
        gpu: whether train uses the image with CUDA.

    Raises:
        EngineError: a check fails; the message says what to do.
    """
    from docker.errors import ImageNotFound

    with connect_engine() as client:
        machine = client.version()["Arch"]
        for step in STEPS:
            name = image_name(step, gpu=gpu and step == "train")
            command = "darkroom images build --image train --gpu" if gpu and step == "train" else "make images"
            try:
                image = client.images.get(name)
            except ImageNotFound:
                raise EngineError(f"Docker has no image {name}. Build it: {command}") from None
            built_for = image.attrs["Architecture"]
            if built_for != machine:
                raise EngineError(
                    f"The image {name} must be built for {machine}, the platform of this engine; it is "
                    f"for {built_for}. Build it here: {command}"
                )
            if source_digest(step) not in (None, image.labels.get(SOURCE_LABEL)):
                raise EngineError(
                    f"The image {name} must contain the code of this source tree; it was built from "
                    f"different code. Build it again: {command}"
                )


def check_mounts(containers: Containers) -> None:
    """Checks from inside a container that the run's folders are writable and its inputs readable.

    Raises:
        EngineError: a check fails; the message says what to do.
    """
    from docker.errors import APIError, ContainerError

    arguments = containers.run_arguments() | {"mem_limit": None, "memswap_limit": None}
    tests = [
        f"test -{flag} {shlex.quote(path)} || {{ echo {shlex.quote(path)} cannot be {word} >&2; exit 1; }}"
        for flag, word, paths in (("w", "written to", containers.writable), ("r", "read", containers.readable))
        for path in paths
    ]
    with connect_engine() as client:
        try:
            client.containers.run(image_name("preprocess"), ["sh", "-c", "; ".join(tests)], remove=True, **arguments)
        except ContainerError as error:
            raise EngineError(
                f"Containers must be able to access the run's files as user {arguments['user']}: "
                f"{_text(error.stderr) or error}. Give that user access, share the folder with the "
                "engine, or run the engine without user remapping."
            ) from None
        except APIError as error:
            raise EngineError(f"Docker could not start a container: {error.explanation}.") from None


def remove(run_id: str) -> int:
    """Kills and removes the containers of a run; returns their number."""
    from docker.errors import APIError

    number = 0
    with connect_engine() as client:
        for container in client.containers.list(all=True, filters={"label": f"{RUN_LABEL}={run_id}"}):
            with contextlib.suppress(APIError):  # it is already being removed
                container.remove(force=True)
                number += 1
    return number


def _is_local(uri: str) -> bool:
    return urlsplit(uri).hostname in LOOPBACK


def _text(output: bytes | str | None) -> str:
    return (output.decode(errors="replace") if isinstance(output, bytes) else output or "").strip()
