"""Prepares the pipeline for a cluster: images by digest, limits, GPUs, secrets, retries, and a final task.

The final task ends the MLflow run. KFP stores about half of these settings in a second YAML document,
platforms.kubernetes. Local runs use none of them.
"""

import functools
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from components.contract.store.folder_store import STORE_VARIABLE
from components.contract.system.address import ADDRESSES_VARIABLE
from pipelines.images.build import STEPS, image_name
from pipelines.runners.runs import step_of

if TYPE_CHECKING:
    from kfp.dsl import PipelineTask
    from kfp.dsl.graph_component import GraphComponent

USER_ID: Final = 10001
"""The id of the user in the images; Kubernetes' runAsNonRoot does not accept user names."""
SETTINGS: Final = "darkroom-settings"
"""The config map, defined in k8s/, that contains the address of the MLflow server."""
SECRETS: Final[Mapping[str, Mapping[str, Mapping[str, str]]]] = {
    "preprocess": {
        "darkroom-s3": {
            "access_key": "AWS_ACCESS_KEY_ID",
            "secret_key": "AWS_SECRET_ACCESS_KEY",
            "endpoint": "AWS_ENDPOINT_URL_S3",
            "region": "AWS_DEFAULT_REGION",
            "addressing_style": "DARKROOM_S3_ADDRESSING_STYLE",
        },
        "darkroom-data": {"address": ADDRESSES_VARIABLE},
    },
    "tune": {"darkroom-studies": {"url": "DARKROOM_STUDIES"}},
}
"""The environment variable for each key, by step and secret: each step receives only the secrets that it needs."""
SETTINGS_VARIABLES: Final = ("MLFLOW_TRACKING_URI", "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD")
MLFLOW_SECRET: Final = {"username": "MLFLOW_TRACKING_USERNAME", "password": "MLFLOW_TRACKING_PASSWORD"}
STEP_LABEL: Final = "darkroom/step"
"""The pod label that the network policies in k8s/ use to allow each step only the connections it needs."""
ROLLOUT_SECRET, ROLLOUT_ACCOUNT_DIR = "darkroom-rollout", "/var/run/secrets/darkroom-rollout"
"""The secret with the token for changing the service's Deployments, and the folder at which deploy mounts it."""
SERVICE_SECRET: Final = {"api_key": "DARKROOM_API_KEY"}
"""The API key of the service, if the service requires one; deploy needs it to check the service after the rollout."""
CACHE_CLAIM, CACHE_DIR = "darkroom-cache", "/cache"
"""The claim and the mount path of the volume that keeps features, decoded pixels and checkpoints if a pod is lost."""
DATA_DIR: Final = "/data"
SHARED_MEMORY_DIR: Final = "/dev/shm"  # noqa: S108 - the mount of a volume that only one pod sees
HOUR: Final = 3600
QUEUE_LABEL: Final = "kueue.x-k8s.io/queue-name"
RESUMING: Final = ("preprocess", "tune", "train")
"""Steps whose tasks lose little work if their node is reclaimed: finished parts, trials and checkpoints are kept."""
SPOT_RETRIES: Final = 10
"""The maximum number of retries of a task on spot nodes, which can be reclaimed at any time."""


@dataclass(frozen=True)
class Demand:
    """The resources and limits of one task."""

    cpu: str
    cpu_limit: str
    memory: str
    timeout_seconds: int
    retries: int


DEMANDS: Final[Mapping[str, Demand]] = {
    "preprocess": Demand(cpu="1", cpu_limit="4", memory="4Gi", timeout_seconds=6 * HOUR, retries=2),
    "tune": Demand(cpu="2", cpu_limit="8", memory="8Gi", timeout_seconds=48 * HOUR, retries=3),
    "train": Demand(cpu="2", cpu_limit="8", memory="8Gi", timeout_seconds=48 * HOUR, retries=3),
    "evaluate": Demand(cpu="1", cpu_limit="4", memory="4Gi", timeout_seconds=2 * HOUR, retries=2),
    "deploy": Demand(cpu="1", cpu_limit="2", memory="4Gi", timeout_seconds=HOUR, retries=1),
}


@dataclass(frozen=True)
class Placement:
    """Where the tasks run, and which resources they get.

    Attributes:
        images: the image of each step, with its digest; a step that is missing uses its locally built image.
        gpus: the number of GPUs for each task of tune and train.
        gpu_type: the Kubernetes resource name of GPUs.
        node_selector: labels that a node must have to run tasks of tune and train.
        cpu: the CPU request of each task of tune and train, in Kubernetes' format; None for the default.
        memory: the memory limit of each task of tune and train, in Kubernetes' format; None for the default.
        cache: whether to skip tasks whose inputs are unchanged; deploy is never skipped.
        rollout: the `<namespace>/<deployment>` to which a promoted model is rolled out; None for no rollout.
        data_claim: a volume claim with the photos and, if there are any, weights and uploaded models; mounted at
            DATA_DIR in preprocess, tune and train. None if the photos are at an address.
        queue: the Kueue LocalQueue that admits the tasks; None for no queue.
        spot: the label (key, value) of spot nodes, which can be reclaimed at any time and also have the label as a
            taint; tasks that can resume run on them. None to use no spot nodes.
        store: the store that all tasks share: a folder that they mount, or an address; None for the volume of the
            cache.
    """

    images: Mapping[str, str] = field(default_factory=dict)
    gpus: int = 0
    gpu_type: str = "nvidia.com/gpu"
    node_selector: Mapping[str, str] = field(default_factory=dict)
    cpu: str | None = None
    memory: str | None = None
    cache: bool = True
    rollout: str | None = None
    data_claim: str | None = None
    queue: str | None = None
    spot: tuple[str, str] | None = None
    store: str | None = None

    def demand_of(self, step: str, *, is_training: bool) -> Demand:
        """The resources of a task of this step; tune and train get the resources that the user requested."""
        demand = DEMANDS[step]
        if not is_training:
            return demand
        cpu = self.cpu or demand.cpu
        cpu_limit = max(cpu, demand.cpu_limit, key=count_cores)
        return replace(demand, cpu=cpu, cpu_limit=cpu_limit, memory=self.memory or demand.memory)


def count_cores(quantity: str) -> float:
    """Converts a CPU quantity in Kubernetes' format, such as 500m or 1.5, to a number of cores."""
    return float(quantity.removesuffix("m")) / 1000 if quantity.endswith("m") else float(quantity)


def place_pipeline(
    placement: Placement, searchers: int = 0, readers: int = 1, feature_workers: int = 1
) -> "GraphComponent":
    """Builds the DAG of pipelines/training.py with cluster settings for all tasks, and a task that ends the MLflow run.

    Args:
        placement: where the tasks run.
        searchers: as for `training`.
        readers: as for `training`.
        feature_workers: as for `training`.
    """
    from kfp import dsl
    from kfp.dsl.pipeline_context import Pipeline

    from pipelines.runners.cluster.exit_handler import close
    from pipelines.training import training

    bare = training(searchers, readers, feature_workers)

    @functools.wraps(bare.pipeline_func)
    def pipeline(*channels: Any) -> None:
        names = inspect.signature(bare.pipeline_func).parameters
        closing_task = close(model_name=dict(zip(names, channels, strict=True))["model_name"])
        closing_task.set_caching_options(enable_caching=False)
        with dsl.ExitHandler(closing_task):
            bare.pipeline_func(*channels)
        for name, task in Pipeline.get_default_pipeline().tasks.items():
            _place(name, task, placement, is_shared=readers > 1)

    component: GraphComponent = dsl.pipeline(name=bare.name, description=bare.description)(pipeline)
    return component


def _place(name: str, task: "PipelineTask", placement: Placement, *, is_shared: bool) -> None:
    from kfp import kubernetes

    step = step_of(name)
    # Tuning uses the container image of train; the final task runs in the smallest image.
    image = "train" if step == "tune" else step if step in STEPS else "preprocess"
    if image in placement.images:
        task.set_container_image(placement.images[image])
    elif image == "train" and placement.gpus:
        task.set_container_image(image_name("train", gpu=True))
    kubernetes.add_pod_label(task, STEP_LABEL, step)
    kubernetes.set_security_context(task, run_as_user=USER_ID, run_as_group=USER_ID, run_as_non_root=True)
    # A label of the pod contains the key of the run; an argument would be part of the task's cache key.
    kubernetes.use_field_path_as_env(task, "DARKROOM_RUN_KEY", "metadata.labels['pipeline/runid']")
    kubernetes.use_config_map_as_env(task, SETTINGS, {name: name for name in SETTINGS_VARIABLES})
    kubernetes.use_secret_as_env(task, "darkroom-mlflow", MLFLOW_SECRET, optional=True)
    if step not in DEMANDS:
        kubernetes.set_timeout(task, HOUR)
        task.set_memory_limit("1Gi")
        return
    demand = placement.demand_of(step, is_training=image == "train")
    if placement.queue:
        kubernetes.add_pod_label(task, QUEUE_LABEL, placement.queue)
    if placement.spot and step in RESUMING:
        _place_on_spot_nodes(task, *placement.spot)
        demand = replace(demand, retries=SPOT_RETRIES)
    _set_demand(demand, task)
    for secret, keys in SECRETS.get(step, {}).items():
        kubernetes.use_secret_as_env(task, secret, dict(keys), optional=True)
    # Weights and uploaded models are on the same volume as the photos.
    if step in ("preprocess", "tune", "train") and placement.data_claim:
        kubernetes.mount_pvc(task, pvc_name=placement.data_claim, mount_path=DATA_DIR)
    if step == "deploy" and placement.rollout:
        task.set_env_variable("DARKROOM_ROLLOUT", placement.rollout)
        kubernetes.use_secret_as_volume(task, ROLLOUT_SECRET, ROLLOUT_ACCOUNT_DIR, optional=True)
        kubernetes.use_secret_as_env(task, "darkroom-serve", SERVICE_SECRET, optional=True)
    if image == "train":
        _place_training(task, placement)
    elif step == "preprocess" and is_shared and not placement.store:
        kubernetes.mount_pvc(task, pvc_name=CACHE_CLAIM, mount_path=CACHE_DIR)
        task.set_env_variable(STORE_VARIABLE, f"{CACHE_DIR}/shared")
    if placement.store and step in RESUMING:
        task.set_env_variable(STORE_VARIABLE, placement.store)
        if step != "preprocess":  # preprocess already has these credentials
            kubernetes.use_secret_as_env(task, "darkroom-s3", dict(SECRETS["preprocess"]["darkroom-s3"]), optional=True)
    if not placement.cache:
        task.set_caching_options(enable_caching=False)


def _place_on_spot_nodes(task: "PipelineTask", label: str, value: str) -> None:
    from kfp import kubernetes

    kubernetes.add_node_selector(task, label, value)
    kubernetes.add_toleration(task, key=label, operator="Equal", value=value, effect="NoSchedule")


def _set_demand(demand: Demand, task: "PipelineTask") -> None:
    from kfp import kubernetes

    task.set_cpu_request(demand.cpu)
    task.set_cpu_limit(demand.cpu_limit)
    # The request equals the limit, so that a task that fits on a node is not evicted for lack of memory.
    task.set_memory_request(demand.memory)
    task.set_memory_limit(demand.memory)
    # Only lost pods are retried: KFP's manifests set Argo's policy to OnError, so an exit code of 1 is final.
    task.set_retry(demand.retries, backoff_duration="30s", backoff_factor=2.0, backoff_max_duration="600s")
    kubernetes.set_timeout(task, demand.timeout_seconds)


def _place_training(task: "PipelineTask", placement: Placement) -> None:
    from kfp import kubernetes

    kubernetes.mount_pvc(task, pvc_name=CACHE_CLAIM, mount_path=CACHE_DIR)
    task.set_env_variable("DARKROOM_CACHE", CACHE_DIR)
    # Shared memory counts against the memory limit.
    kubernetes.empty_dir_mount(task, volume_name="shm", mount_path=SHARED_MEMORY_DIR, medium="Memory", size_limit="1Gi")
    for label, value in placement.node_selector.items():
        kubernetes.add_node_selector(task, label, value)
    if placement.gpus:
        task.set_accelerator_type(placement.gpu_type)
        task.set_accelerator_limit(placement.gpus)
        kubernetes.add_toleration(task, key=placement.gpu_type, operator="Exists", effect="NoSchedule")
