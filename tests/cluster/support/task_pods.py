"""Builds the pod of a task as KFP's driver would, from the task's executor in the IR and in the platform document.

The pods have the same form as those that KFP 2.17 creates. Artifacts are at the same paths, but on a volume instead of
in KFP's object store.
"""

from collections.abc import Iterator, Mapping
from typing import Any

ARTIFACTS_CLAIM, ARTIFACTS_DIR = "proof-artifacts", "/minio"
ACCOUNT = "pipeline-runner"
SCRATCH_DIRS = ("/gcs", "/s3", "/.local", "/.cache", "/.config")
CONFINED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
PLACEMENT_KEYS = {
    *("activeDeadlineSeconds", "configMapAsEnv", "emptyDirMounts", "fieldPathAsEnv", "imagePullPolicy", "nodeSelector"),
    *("podMetadata", "pvcMount", "secretAsEnv", "secretAsVolume", "securityContext", "tolerations"),
}
"""The keys of the platform document that this module supports."""


def pod_spec(container: Mapping[str, Any], placement: Mapping[str, Any], arguments: list[str]) -> dict[str, Any]:
    """Returns the pod specification of a task.

    Args:
        container: the container of the task's executor in the IR.
        placement: the executor's entry in the platform document.
        arguments: the container's arguments, with all placeholders replaced.
    """
    assert set(placement) <= PLACEMENT_KEYS, f"unknown keys of the platform document: {set(placement) - PLACEMENT_KEYS}"
    volumes, mounts = _volumes(placement)
    return {
        "serviceAccountName": ACCOUNT,
        "restartPolicy": "Never",
        "activeDeadlineSeconds": int(placement["activeDeadlineSeconds"]),
        "nodeSelector": placement.get("nodeSelector", {}).get("labels", {}),
        "tolerations": placement.get("tolerations", []),
        "volumes": volumes,
        "containers": [
            {
                "name": "main",
                "image": container["image"],
                "imagePullPolicy": placement.get("imagePullPolicy", "IfNotPresent"),
                "command": container["command"],
                "args": arguments,
                "env": [*container.get("env", []), *_environment(placement)],
                "resources": _resources(container["resources"]),
                "securityContext": CONFINED | _user(placement["securityContext"]),
                "volumeMounts": mounts,
            }
        ],
    }


def _resources(resources: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    result: dict[str, dict[str, str]] = {"requests": {}, "limits": {}}
    for key, group, name in (
        ("resourceCpuRequest", "requests", "cpu"),
        ("resourceMemoryRequest", "requests", "memory"),
        ("resourceCpuLimit", "limits", "cpu"),
        ("resourceMemoryLimit", "limits", "memory"),
    ):
        if key in resources:
            result[group][name] = resources[key]
    if accelerator := resources.get("accelerator"):
        kind = accelerator.get("resourceType") or accelerator["type"]
        result["limits"][kind] = str(accelerator.get("resourceCount") or accelerator["count"])
    return result


def _user(context: Mapping[str, Any]) -> dict[str, Any]:
    return {key: int(value) if key in ("runAsUser", "runAsGroup") else value for key, value in context.items()}


def _environment(placement: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for field_path in placement.get("fieldPathAsEnv", ()):
        value = {"fieldRef": {"fieldPath": field_path["fieldPath"]}}
        yield {"name": field_path["name"], "valueFrom": value}
    for kind, name_key, key_key in (
        ("configMapAsEnv", "configMapName", "configMapKey"),
        ("secretAsEnv", "secretName", "secretKey"),
    ):
        reference = "configMapKeyRef" if kind == "configMapAsEnv" else "secretKeyRef"
        for source in placement.get(kind, ()):
            for entry in source["keyToEnv"]:
                optional = entry.get("optional", source.get("optional", False))
                key = {"name": source[name_key], "key": entry[key_key], "optional": optional}
                yield {"name": entry["envVar"], "valueFrom": {reference: key}}


def _volumes(placement: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Returns (volumes, mounts) of a pod: KFP's own, and those that the platform document names."""
    volumes: list[dict[str, Any]] = [{"name": "artifacts", "persistentVolumeClaim": {"claimName": ARTIFACTS_CLAIM}}]
    mounts: list[dict[str, Any]] = [{"name": "artifacts", "mountPath": ARTIFACTS_DIR}]

    def add(name: str, path: str, volume: dict[str, Any]) -> None:
        volumes.append({"name": name} | volume)
        mounts.append({"name": name, "mountPath": path})

    for path in SCRATCH_DIRS:
        add(f"scratch-{path.strip('/.')}-{len(volumes)}", path, {"emptyDir": {}})
    for claim in placement.get("pvcMount", ()):
        add(claim["constant"], claim["mountPath"], {"persistentVolumeClaim": {"claimName": claim["constant"]}})
    for entry in placement.get("emptyDirMounts", ()):
        options = {key: entry[key] for key in ("medium", "sizeLimit") if key in entry}
        add(entry["volumeName"], entry["mountPath"], {"emptyDir": options})
    for entry in placement.get("secretAsVolume", ()):
        secret = {"secretName": entry["secretName"], "optional": entry.get("optional", False)}
        add(entry["secretName"], entry["mountPath"], {"secret": secret})
    return volumes, mounts
