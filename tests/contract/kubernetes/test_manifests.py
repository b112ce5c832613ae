"""The manifests in k8s/: every overlay renders offline, matches Kubernetes' schemas, and follows Darkroom's rules."""

import re
from pathlib import Path
from typing import Any

from components.deploy.bento.supervisor import GRACE_SECONDS
from pipelines.images.build import image_name
from pipelines.runners.cluster.placement import (
    CACHE_CLAIM,
    CACHE_DIR,
    MLFLOW_SECRET,
    ROLLOUT_SECRET,
    SECRETS,
    SETTINGS,
    USER_ID,
)
from tests.contract.kubernetes.manifests import (
    OVERLAYS,
    containers,
    named,
    of_kind,
    pods,
    render,
    render_with,
    secret_commands,
)
from tests.support.source_tree import ROOT

KUBERNETES = "1.33"


def test_every_overlay_is_tested() -> None:
    assert {path.name for path in (ROOT / "k8s" / "overlays").iterdir()} == set(OVERLAYS)


def test_every_object_matches_the_kubernetes_schema(overlay: list[dict[str, Any]]) -> None:
    import kubernetes_validate

    extensions = ("gateway.networking.k8s.io/", "serving.kserve.io/")
    own_kinds = [manifest for manifest in overlay if not manifest["apiVersion"].startswith(extensions)]
    assert own_kinds
    for manifest in own_kinds:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_every_pod_is_restricted(overlay: list[dict[str, Any]]) -> None:
    for name, _, pod in pods(overlay):
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["runAsUser"] > 0, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False, name
        for container in containers(pod):
            rights = container["securityContext"]
            assert rights["allowPrivilegeEscalation"] is False, name
            assert rights["readOnlyRootFilesystem"] is True, name
            assert rights["capabilities"] == {"drop": ["ALL"]}, name
        assert not any("hostPath" in volume for volume in pod.get("volumes", [])), name


def test_every_container_declares_its_resources(overlay: list[dict[str, Any]]) -> None:
    for name, _, pod in pods(overlay):
        for container in containers(pod):
            resources = container["resources"]
            assert set(resources["requests"]) == set(resources["limits"]) == {"cpu", "memory"}, name
            # Request and limit are equal, so that no pod is evicted for using memory within its limit.
            assert resources["requests"]["memory"] == resources["limits"]["memory"], name


def test_every_image_has_a_fixed_tag(overlay: list[dict[str, Any]]) -> None:
    for name, _, pod in pods(overlay):
        for container in containers(pod):
            tag = container["image"].rpartition("/")[2].partition(":")[2]
            assert tag not in ("", "latest"), name


def test_every_serving_pod_has_probes(overlay: list[dict[str, Any]]) -> None:
    for manifest in of_kind(overlay, "Deployment", "StatefulSet"):
        for container in manifest["spec"]["template"]["spec"]["containers"]:
            assert {"readinessProbe", "livenessProbe"} <= set(container), manifest["metadata"]["name"]


def test_a_probe_waits_for_a_busy_server(overlay: list[dict[str, Any]]) -> None:
    """Kubernetes' default timeout of 1 s kills busy servers, such as MLflow under load."""
    for name, _, pod in pods(overlay):
        for container in containers(pod):
            for kind in ("readinessProbe", "livenessProbe"):
                probe = container.get(kind, {"tcpSocket": {}})
                assert "tcpSocket" in probe or probe["timeoutSeconds"] >= 10, (name, kind)


def test_every_service_selects_pods_that_listen_on_its_ports(overlay: list[dict[str, Any]]) -> None:
    all_pods = list(pods(overlay))
    for service in of_kind(overlay, "Service"):
        selector = service["spec"]["selector"].items()
        ports = {
            port["name"]
            for _, labels, pod in all_pods
            if selector <= labels.items()
            for container in pod["containers"]
            for port in container.get("ports", [])
        }
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports, service["metadata"]["name"]


def test_every_config_map_of_a_pod_exists_and_every_secret_is_in_the_guide(overlay: list[dict[str, Any]]) -> None:
    maps = {manifest["metadata"]["name"] for manifest in of_kind(overlay, "ConfigMap")}
    secrets = secret_commands()
    for name, _, pod in pods(overlay):
        for container in containers(pod):
            sources = [*container.get("envFrom", []), *(env.get("valueFrom", {}) for env in container.get("env", []))]
            for source in sources:
                for kind, reference in source.items():
                    if kind.startswith("configMap"):
                        assert reference["name"] in maps, name
                    if kind.startswith("secret"):
                        assert reference["name"] in secrets


def test_the_service_drains_before_it_stops(production: list[dict[str, Any]]) -> None:
    for deployment in of_kind(production, "Deployment"):
        if not deployment["metadata"]["name"].startswith("darkroom-serve"):
            continue
        pod = deployment["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        pause = int(container["lifecycle"]["preStop"]["exec"]["command"][-1])
        assert pause >= container["readinessProbe"]["periodSeconds"]
        assert pod["terminationGracePeriodSeconds"] >= pause + GRACE_SECONDS
        assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_the_canary_differs_from_the_champion_only_in_its_name(production: list[dict[str, Any]]) -> None:
    deployments = {manifest["metadata"]["name"]: manifest["spec"] for manifest in of_kind(production, "Deployment")}
    champion, canary = deployments["darkroom-serve"], deployments["darkroom-serve-canary"]
    assert canary["template"]["spec"] == {
        key: value for key, value in champion["template"]["spec"].items() if key != "topologySpreadConstraints"
    }


def test_mlflow_allows_every_host_name_of_its_service(production: list[dict[str, Any]]) -> None:
    (settings,) = [
        manifest for manifest in of_kind(production, "ConfigMap") if manifest["metadata"]["name"] == "mlflow"
    ]
    allowed = settings["data"]["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    for name in ("mlflow", "mlflow.darkroom", "mlflow.darkroom.svc", "mlflow.darkroom.svc.cluster.local"):
        assert {name, f"{name}:5000"} <= set(allowed)


def test_the_namespace_of_the_pipeline_contains_every_object_that_its_tasks_use() -> None:
    manifests = render("pipelines")
    objects = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests}
    assert objects == {
        ("ConfigMap", SETTINGS),
        ("PersistentVolumeClaim", CACHE_CLAIM),
        ("Job", CACHE_CLAIM),
        ("ServiceAccount", ROLLOUT_SECRET),
        ("Secret", ROLLOUT_SECRET),
    }
    assert {manifest["metadata"]["namespace"] for manifest in manifests} == {"kubeflow"}
    commands = secret_commands()
    of_steps = {secret: keys for secrets in SECRETS.values() for secret, keys in secrets.items()}
    for secret, keys in {**of_steps, "darkroom-mlflow": MLFLOW_SECRET}.items():
        assert all(re.search(rf"(\b|\\n){key}=", commands[secret]) for key in keys), secret


def test_the_settings_are_the_same_in_both_namespaces(production: list[dict[str, Any]]) -> None:
    here, there = (
        next(manifest["data"] for manifest in manifests if manifest["metadata"]["name"] == SETTINGS)
        for manifests in (production, render("pipelines"))
    )
    assert here == there


def test_the_images_are_built_by_darkroom(overlay: list[dict[str, Any]]) -> None:
    ours = {image_name(image) for image in ("serve", "deploy", "mlflow", "preprocess")}
    for _, _, pod in pods(overlay):
        for container in containers(pod):
            name = container["image"].rpartition("/")[2]
            if name.startswith("darkroom-"):
                assert name in ours
                assert pod["securityContext"]["runAsUser"] == USER_ID


def test_a_service_selects_only_the_pods_of_its_workload() -> None:
    """A Job with the labels of another workload would receive requests for that workload."""
    manifests = render("overlays/local")
    for service in of_kind(manifests, "Service"):
        selector = service["spec"]["selector"].items()
        names = [name for name, labels, _ in pods(manifests) if selector <= labels.items()]
        assert names == [service["metadata"]["name"]], service["metadata"]["name"]


def test_the_gpu_overlay_changes_no_object_of_the_pipelines() -> None:
    """For example, it must not resize the claim for the cache, because not every cluster can resize a claim."""
    applied = {(manifest["kind"], manifest["metadata"]["name"]): manifest for manifest in render("pipelines")}
    overlay = {(manifest["kind"], manifest["metadata"]["name"]): manifest for manifest in render("overlays/gpu")}
    assert {key: overlay[key] for key in applied} == applied
    assert set(overlay) - set(applied) == {("ResourceQuota", "darkroom-gpus")}


def test_a_job_makes_the_cache_writable_for_the_tasks() -> None:
    manifests = render("pipelines")
    (job,) = of_kind(manifests, "Job")
    pod = job["spec"]["template"]["spec"]
    context = pod["securityContext"]
    assert (context["runAsUser"], context["runAsGroup"], context["fsGroup"]) == (USER_ID, USER_ID, USER_ID)
    (volume,), (container,) = pod["volumes"], pod["containers"]
    assert volume["persistentVolumeClaim"] == {"claimName": CACHE_CLAIM}
    assert container["volumeMounts"] == [{"name": volume["name"], "mountPath": CACHE_DIR}]
    assert f"touch {CACHE_DIR}/" in container["command"][-1]


def test_the_cache_can_be_shared_by_nodes(tmp_path: Path) -> None:
    (claim,) = of_kind(render("pipelines"), "PersistentVolumeClaim")
    (shared_claim,) = of_kind(render_with("pipelines", "shared-cache", tmp_path), "PersistentVolumeClaim")
    assert (claim["spec"]["accessModes"], shared_claim["spec"]["accessModes"]) == (["ReadWriteOnce"], ["ReadWriteMany"])
    assert shared_claim["spec"]["storageClassName"]


def test_the_autoscaler_targets_a_deployment_with_cpu_requests(overlay: list[dict[str, Any]]) -> None:
    for scaler in of_kind(overlay, "HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        deployment = named(overlay, target["kind"], target["name"])
        assert target["apiVersion"] == deployment["apiVersion"]
        assert "replicas" not in deployment["spec"], "only the autoscaler may set the number of replicas"
        (metric,) = scaler["spec"]["metrics"]
        assert (metric["type"], metric["resource"]["name"]) == ("Resource", "cpu")
        for container in deployment["spec"]["template"]["spec"]["containers"]:
            assert container["resources"]["requests"]["cpu"], "measuring utilization requires a CPU request"
        assert scaler["spec"]["minReplicas"] <= scaler["spec"]["maxReplicas"]
