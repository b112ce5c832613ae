"""The manifests in k8s/: every overlay renders offline, is valid by Kubernetes' own schemas, and keeps our rules."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from ruamel.yaml import YAML

from components.deploy.bento.supervisor import GRACE_SECONDS
from pipelines.images.build import image_name
from pipelines.runners.cluster.placement import CACHE_CLAIM, MLFLOW_SECRET, SECRETS, SETTINGS, USER_ID
from tests.support.command_line import options_of, parse
from tests.support.source_tree import ROOT

GUIDE = ROOT / "docs" / "kubernetes.md"
OVERLAYS = ("local", "gpu", "production")
KUBERNETES = "1.33"
WORKLOADS = ("Deployment", "StatefulSet", "Job", "CronJob")


def render(folder: str) -> list[dict[str, Any]]:
    """What `kubectl kustomize` makes of a folder of k8s/."""
    for command in (["kubectl", "kustomize"], ["kustomize", "build"]):
        if shutil.which(command[0]):
            result = subprocess.run([*command, str(ROOT / "k8s" / folder)], capture_output=True, text=True, check=False)
            assert result.returncode == 0, result.stderr
            return [document for document in YAML(typ="safe").load_all(result.stdout) if document]
    pytest.skip("neither kubectl nor kustomize is here to render the overlays")


@pytest.fixture(scope="module", params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    return render(f"overlays/{request.param}")


@pytest.fixture(scope="module")
def production() -> list[dict[str, Any]]:
    return render("overlays/production")


def of_kind(manifests: list[dict[str, Any]], *kinds: str) -> list[dict[str, Any]]:
    return [manifest for manifest in manifests if manifest["kind"] in kinds]


def pods(manifests: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """(name, labels, pod spec) of each workload."""
    for manifest in of_kind(manifests, *WORKLOADS):
        spec = manifest["spec"]["jobTemplate"]["spec"] if manifest["kind"] == "CronJob" else manifest["spec"]
        template = spec["template"]
        yield manifest["metadata"]["name"], template["metadata"]["labels"], template["spec"]


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod.get("initContainers", []), *pod["containers"]]


def test_every_overlay_is_tested() -> None:
    assert {path.name for path in (ROOT / "k8s" / "overlays").iterdir()} == set(OVERLAYS)


def test_every_object_is_valid_by_kubernetes_schema(overlay: list[dict[str, Any]]) -> None:
    import kubernetes_validate

    assert overlay
    for manifest in overlay:
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
            # Equal memory: no pod is evicted for what it was allowed.
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


def test_no_secret_is_in_the_repository(overlay: list[dict[str, Any]]) -> None:
    assert of_kind(overlay, "Secret") == []
    for _, _, pod in pods(overlay):
        for container in containers(pod):
            for variable in container.get("env", []):
                if re.search("PASSWORD|SECRET|TOKEN", variable["name"]):
                    assert "secretKeyRef" in variable["valueFrom"]


def test_every_service_selects_pods_that_listen_there(overlay: list[dict[str, Any]]) -> None:
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


def test_every_name_that_a_pod_mounts_or_reads_is_there_or_in_the_guide(overlay: list[dict[str, Any]]) -> None:
    maps = {manifest["metadata"]["name"] for manifest in of_kind(overlay, "ConfigMap")}
    guide = GUIDE.read_text()
    for name, _, pod in pods(overlay):
        for container in containers(pod):
            sources = [*container.get("envFrom", []), *(env.get("valueFrom", {}) for env in container.get("env", []))]
            for source in sources:
                for kind, reference in source.items():
                    if kind.startswith("configMap"):
                        assert reference["name"] in maps, name
                    if kind.startswith("secret"):
                        assert f"create secret generic {reference['name']}" in guide, reference["name"]


def test_network_policies_deny_by_default(production: list[dict[str, Any]]) -> None:
    policies = {manifest["metadata"]["name"]: manifest["spec"] for manifest in of_kind(production, "NetworkPolicy")}
    assert policies["default-deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    labels = {labels["app.kubernetes.io/name"] for _, labels, _ in pods(production)}
    for name, policy in policies.items():
        selector = policy["podSelector"]
        selected_names = set(selector.get("matchLabels", {}).values())
        for expression in selector.get("matchExpressions", []):
            selected_names |= set(expression["values"])
        assert selected_names <= labels, name


def test_the_deploy_task_may_change_the_service_and_nothing_else(production: list[dict[str, Any]]) -> None:
    deployments = {manifest["metadata"]["name"] for manifest in of_kind(production, "Deployment")}
    (role,) = of_kind(production, "Role")
    (rule,) = role["rules"]
    assert (rule["resources"], sorted(rule["verbs"])) == (["deployments"], ["get", "patch"])
    assert set(rule["resourceNames"]) == deployments - {"mlflow"}
    (binding,) = of_kind(production, "RoleBinding")
    assert [(subject["name"], subject["namespace"]) for subject in binding["subjects"]] == [
        ("pipeline-runner", "kubeflow")
    ]
    assert of_kind(production, "ClusterRole", "ClusterRoleBinding") == []


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


def test_the_canary_differs_from_the_champion_in_its_name_alone(production: list[dict[str, Any]]) -> None:
    deployments = {manifest["metadata"]["name"]: manifest["spec"] for manifest in of_kind(production, "Deployment")}
    champion, canary = deployments["darkroom-serve"], deployments["darkroom-serve-canary"]
    assert canary["template"]["spec"] == {
        key: value for key, value in champion["template"]["spec"].items() if key != "topologySpreadConstraints"
    }
    ingresses = {manifest["metadata"]["name"]: manifest for manifest in of_kind(production, "Ingress")}
    annotations = ingresses["darkroom-serve-canary"]["metadata"]["annotations"]
    assert annotations["nginx.ingress.kubernetes.io/canary"] == "true"
    hosts = {rule["host"] for ingress in ingresses.values() for rule in ingress["spec"]["rules"]}
    assert len(hosts) == 1


def test_mlflow_allows_every_host_name_of_its_service(production: list[dict[str, Any]]) -> None:
    (settings,) = [
        manifest for manifest in of_kind(production, "ConfigMap") if manifest["metadata"]["name"] == "mlflow"
    ]
    allowed = settings["data"]["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    for name in ("mlflow", "mlflow.darkroom", "mlflow.darkroom.svc", "mlflow.darkroom.svc.cluster.local"):
        assert {name, f"{name}:5000"} <= set(allowed)


def test_the_namespace_of_the_pipeline_contains_every_object_it_references() -> None:
    manifests = render("pipelines")
    objects = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests}
    assert objects == {("ConfigMap", SETTINGS), ("PersistentVolumeClaim", CACHE_CLAIM)}
    assert {manifest["metadata"]["namespace"] for manifest in manifests} == {"kubeflow"}
    guide = GUIDE.read_text()
    of_steps = {secret: keys for secrets in SECRETS.values() for secret, keys in secrets.items()}
    for secret, keys in {**of_steps, "darkroom-mlflow": MLFLOW_SECRET}.items():
        block = guide.partition(f"create secret generic {secret} ")[2].partition("\n\n")[0]
        assert all(re.search(f"--from-(literal|file)={key}=", block) for key in keys), secret


def test_both_config_maps_are_the_same(production: list[dict[str, Any]]) -> None:
    here, there = (
        next(manifest["data"] for manifest in manifests if manifest["metadata"]["name"] == SETTINGS)
        for manifests in (production, render("pipelines"))
    )
    assert here == there


def test_the_images_are_those_that_are_built(overlay: list[dict[str, Any]]) -> None:
    ours = {image_name(image) for image in ("serve", "deploy", "mlflow")}
    for _, _, pod in pods(overlay):
        for container in containers(pod):
            name = container["image"].rpartition("/")[2]
            if name.startswith("darkroom-"):
                assert name in ours
                assert pod["securityContext"]["runAsUser"] == USER_ID


def test_every_path_in_the_guide_exists() -> None:
    generated_paths = {"build/images.json"}
    paths = set(re.findall(r"(?:k8s|docs|tests|requirements|build)/[\w./-]*\w", GUIDE.read_text())) - generated_paths
    assert len(paths) > 10
    for path in paths:
        assert (ROOT / path).exists(), path


def test_every_flag_in_the_guide_exists() -> None:
    words = [
        line.replace("…", "").replace("\n", " ").split(" && ")[0].rstrip("&").split()
        for line in re.findall(r"(?:^|`)(darkroom (?:submit|images) [^`]*?)(?:`|$)", GUIDE.read_text(), re.MULTILINE)
    ]
    assert len(words) > 6
    for command in words:
        arguments = [word.strip("'") for word in command[1:]]
        if "while" not in arguments and "--cron" not in arguments:
            parse(arguments)
    own_flags = {option for command in ("submit", "images build") for option in options_of(command.split())}
    foreign_flags = {"--config", "--format", "--fail", "--require-hashes", "--dest", "--runner", "--from-literal"}
    for line in GUIDE.read_text().splitlines():
        for flag in re.findall(r"`(--[a-z-]+)", line):
            assert flag in own_flags | foreign_flags, flag


def test_every_object_that_the_guide_names_is_in_the_manifests(production: list[dict[str, Any]]) -> None:
    names = {manifest["metadata"]["name"] for manifest in [*production, *render("pipelines")]}
    text = GUIDE.read_text()
    object_names = re.findall(r"kubectl -n darkroom \w+ (?:deployment|ingress) ([\w-]+)", text)
    object_names += re.findall(r"svc/(darkroom[\w-]*)", text) + re.findall(r"--from=cronjob/([\w-]+)", text)
    assert len(object_names) >= 5
    assert set(object_names) <= names


def test_the_guide_installs_the_kfp_that_the_lock_holds() -> None:
    lock = (ROOT / "requirements" / "laptop.txt").read_text()
    (version,) = re.findall(r"^kfp==(\S+)", lock, re.MULTILINE)
    assert set(re.findall(r"\?ref=(\S+?)\"", GUIDE.read_text())) == {version}


def test_a_service_selects_the_pods_of_its_own_workload_only() -> None:
    """A Job with the labels of another workload would get that one's requests."""
    manifests = render("overlays/local")
    for service in of_kind(manifests, "Service"):
        selector = service["spec"]["selector"].items()
        names = [name for name, labels, _ in pods(manifests) if selector <= labels.items()]
        assert names == [service["metadata"]["name"]], service["metadata"]["name"]


def test_the_overlay_for_gpus_changes_nothing_that_the_pipelines_have_applied() -> None:
    """A claim that exists cannot be resized on every cluster."""
    applied = {(manifest["kind"], manifest["metadata"]["name"]): manifest for manifest in render("pipelines")}
    overlay = {(manifest["kind"], manifest["metadata"]["name"]): manifest for manifest in render("overlays/gpu")}
    assert {key: overlay[key] for key in applied} == applied
    assert set(overlay) - set(applied) == {("ResourceQuota", "darkroom-gpus")}
