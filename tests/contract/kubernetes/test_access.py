"""Permissions in the manifests: network policies, roles, tokens and keys."""

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from components.deploy.release import rollout
from components.deploy.service.settings import API_KEY
from pipelines.runners.cluster import placement
from tests.contract.kubernetes.manifests import GUIDE, containers, named, of_kind, pods, render, render_with
from tests.support.source_tree import ROOT

STEPS = ("preprocess", "tune", "train", "evaluate", "deploy", "close")


def matches(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether a Kubernetes label selector selects these labels."""
    for expression in selector.get("matchExpressions", []):
        value = labels.get(expression["key"])
        if value is None or (expression["operator"] == "In" and value not in expression["values"]):
            return False
        assert expression["operator"] in ("In", "Exists")
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def admits(manifests: list[dict[str, Any]], target: str, port: int, namespace: str, labels: dict[str, str]) -> bool:
    """Whether the policies in the namespace darkroom let a pod in `namespace` with these labels reach `target`."""
    for policy in of_kind(manifests, "NetworkPolicy"):
        if not matches(policy["spec"]["podSelector"], {"app.kubernetes.io/name": target}):
            continue
        for rule in policy["spec"].get("ingress", []):
            if port not in [entry["port"] for entry in rule["ports"]]:
                continue
            for peer in rule["from"]:
                in_namespace = (
                    matches(peer["namespaceSelector"], {"kubernetes.io/metadata.name": namespace})
                    if "namespaceSelector" in peer
                    else namespace == "darkroom"
                )
                if in_namespace and matches(peer.get("podSelector", {}), labels):
                    return True
    return False


def task(step: str) -> tuple[str, dict[str, str]]:
    return "kubeflow", {placement.STEP_LABEL: step}


def workload(name: str) -> tuple[str, dict[str, str]]:
    return "darkroom", {"app.kubernetes.io/name": name}


SERVICES = (workload("darkroom-serve"), workload("darkroom-serve-canary"))


@pytest.mark.parametrize(
    ("target", "port", "visitors"),
    [
        ("postgres", 5432, [workload("mlflow"), workload("postgres-backup"), task("tune")]),
        ("mlflow", 5000, [*SERVICES, *map(task, STEPS), ("kubeflow", {"app": "ml-pipeline"})]),
        ("darkroom-serve", 3000, [task("deploy"), ("monitoring", {"app": "prometheus"})]),
        ("darkroom-serve-canary", 3000, [task("deploy"), ("monitoring", {"app": "prometheus"})]),
    ],
)
def test_each_server_can_be_reached_only_by_the_pods_that_need_it(
    target: str, port: int, visitors: list[tuple[str, dict[str, str]]], production: list[dict[str, Any]]
) -> None:
    everybody = [
        *(workload(name) for name in ("mlflow", "postgres", "postgres-backup")),
        *SERVICES,
        *map(task, STEPS),
        ("kubeflow", {"app": "ml-pipeline"}),
        ("kubeflow", {"app": "notebook"}),
        ("monitoring", {"app": "prometheus"}),
        ("default", {placement.STEP_LABEL: "tune"}),
    ]
    admitted = [visitor for visitor in everybody if admits(production, target, port, *visitor)]
    assert sorted(map(str, admitted)) == sorted(map(str, visitors))


def test_preprocess_is_the_only_task_that_reaches_the_store_of_the_local_overlay() -> None:
    manifests = render("overlays/local")
    assert [step for step in STEPS if admits(manifests, "s3", 8333, *task(step))] == ["preprocess"]
    assert admits(manifests, "s3", 8333, *workload("mlflow"))


def test_network_policies_deny_by_default(production: list[dict[str, Any]]) -> None:
    policies = {manifest["metadata"]["name"]: manifest["spec"] for manifest in of_kind(production, "NetworkPolicy")}
    assert policies["default-deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    labels = {labels["app.kubernetes.io/name"] for _, labels, _ in pods(production)}
    gateway = named(production, "Gateway", "darkroom")["metadata"]["name"]
    for name, policy in policies.items():
        selector = policy["podSelector"]
        selected_names = set(selector.get("matchLabels", {}).values())
        for expression in selector.get("matchExpressions", []):
            selected_names |= set(expression["values"])
        assert selected_names <= labels | {gateway}, name


def test_only_the_rollout_account_may_change_the_service(production: list[dict[str, Any]]) -> None:
    deployments = {manifest["metadata"]["name"] for manifest in of_kind(production, "Deployment")}
    (role,) = of_kind(production, "Role")
    (rule,) = role["rules"]
    assert (rule["resources"], sorted(rule["verbs"])) == (["deployments"], ["get", "patch"])
    assert set(rule["resourceNames"]) == deployments - {"mlflow"}
    assert of_kind(production, "ClusterRole", "ClusterRoleBinding") == []
    (binding,) = of_kind(production, "RoleBinding")
    pipelines = render("pipelines")
    (account,) = of_kind(pipelines, "ServiceAccount")
    (token,) = of_kind(pipelines, "Secret")
    assert account["automountServiceAccountToken"] is False
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": account["metadata"]["name"], "namespace": account["metadata"]["namespace"]}
    ]
    assert token["type"] == "kubernetes.io/service-account-token"
    assert token["metadata"]["name"] == placement.ROLLOUT_SECRET
    assert token["metadata"]["annotations"] == {"kubernetes.io/service-account.name": account["metadata"]["name"]}
    assert str(rollout.ACCOUNT_DIR) == placement.ROLLOUT_ACCOUNT_DIR


def test_no_secret_is_in_the_repository(overlay: list[dict[str, Any]]) -> None:
    for secret in of_kind(overlay, "Secret"):
        assert secret["type"] == "kubernetes.io/service-account-token", "only Kubernetes may fill in a secret"
        assert not {"data", "stringData"} & set(secret)
    for _, _, pod in pods(overlay):
        for container in containers(pod):
            for variable in container.get("env", []):
                if re.search("PASSWORD|SECRET|TOKEN|KEY", variable["name"]):
                    assert "secretKeyRef" in variable["valueFrom"]


def test_production_does_not_serve_without_a_key(production: list[dict[str, Any]]) -> None:
    guide = GUIDE.read_text()
    for name in ("darkroom-serve", "darkroom-serve-canary"):
        (container,) = named(production, "Deployment", name)["spec"]["template"]["spec"]["containers"]
        assert container["env"] == [
            {"name": API_KEY, "valueFrom": {"secretKeyRef": {"name": "darkroom-serve", "key": "api_key"}}}
        ]
    for namespace in ("darkroom", "kubeflow"):
        assert f"kubectl -n {namespace} create secret generic darkroom-serve --from-literal=api_key=" in guide


def test_the_service_gets_credentials_in_the_variables_that_mlflow_reads(overlay: list[dict[str, Any]]) -> None:
    for deployment in of_kind(overlay, "Deployment"):
        for container in deployment["spec"]["template"]["spec"].get("initContainers", []):
            if container["name"] == rollout.INIT_CONTAINER:
                keys = {entry["name"]: entry["valueFrom"]["secretKeyRef"] for entry in container["env"]}
                assert {key["key"]: name for name, key in keys.items()} == placement.MLFLOW_SECRET
                assert all(key["name"] == "darkroom-mlflow" and key["optional"] for key in keys.values())


def test_mlflow_stores_its_users_in_the_same_database_as_its_runs(tmp_path: Path) -> None:
    manifests = render_with("overlays/local", "mlflow-auth", tmp_path)
    (container,) = named(manifests, "Deployment", "mlflow")["spec"]["template"]["spec"]["containers"]
    assert container["args"][-1] == "--app-name=basic-auth"
    variables = {entry["name"]: entry for entry in container["env"]}
    assert variables["MLFLOW_BACKEND_STORE_URI"]["value"].endswith("@postgres:5432/mlflow?client_encoding=utf8"), (
        "the patch must keep the variables of the base"
    )
    folder = next(mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "auth")
    settings = named(manifests, "ConfigMap", "mlflow-auth")["data"]
    assert variables["MLFLOW_AUTH_CONFIG_PATH"]["value"] in [f"{folder}/{name}" for name in settings]
    keys = {
        entry["valueFrom"]["secretKeyRef"]["key"]
        for entry in container["env"]
        if entry.get("valueFrom", {}).get("secretKeyRef", {}).get("name") == "darkroom-mlflow-admin"
    }
    block = GUIDE.read_text().partition("create secret generic darkroom-mlflow-admin ")[2].partition("\n\n")[0]
    assert keys == set(re.findall(r"--from-literal=(\w+)=", block))


def test_kfps_launcher_reads_every_setting_of_the_kfp_store() -> None:
    """The fields are those of S3ProviderDefault in backend/src/v2/config/s3.go of KFP 2.17; KFP does not run here."""
    (store,) = YAML(typ="safe").load_all((ROOT / "k8s" / "kfp-store.yaml").read_text())
    (settings,) = YAML(typ="safe").load(store["data"]["providers"])["s3"].values()
    assert set(settings) <= {"endpoint", "credentials", "region", "disableSSL", "forcePathStyle", "maxRetries"}
    reference = settings["credentials"]["secretRef"]
    assert set(reference) == {"secretName", "accessKeyKey", "secretKeyKey"}
    block = GUIDE.read_text().partition(f"create secret generic {reference['secretName']} ")[2].partition("\n")[0]
    for key in ("accessKeyKey", "secretKeyKey"):
        assert f"--from-literal={reference[key]}=" in block


def test_the_secret_of_the_store_overrides_the_config_map(overlay: list[dict[str, Any]]) -> None:
    """The last source takes precedence, so endpoint, region and addressing style can be set in the secret."""
    for deployment in of_kind(overlay, "Deployment"):
        if deployment["metadata"]["name"] == "mlflow":
            (container,) = deployment["spec"]["template"]["spec"]["containers"]
            assert container["envFrom"] == [
                {"configMapRef": {"name": "mlflow"}},
                {"secretRef": {"name": "darkroom-s3-env"}},
            ]
