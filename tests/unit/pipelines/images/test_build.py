"""Images and containers as far as they go without an engine: names, locks, build arguments, mounts, messages."""

import ast
import json
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from components.contract.artifacts.dataset import Source
from components.contract.params.model import ModelParams
from components.contract.params.pipeline import Params, load_params
from components.contract.params.resolve import resolve
from components.contract.system.program import EVENTS_VARIABLE
from pipelines.images import build
from pipelines.images.build import BuildOptions, EngineError, build_arguments, image_name
from pipelines.runners import docker
from pipelines.runners.container_deaths import explain_end
from pipelines.runners.docker import Limits, plan_containers

ROOT = Path(__file__).parents[4]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PIN = re.compile(r"^([a-z0-9._-]+)==(\S+)", re.MULTILINE)


def pins(lock: Path) -> set[tuple[str, str]]:
    return set(PIN.findall(lock.read_text()))


def test_components_name_the_images_that_are_built() -> None:
    from pipelines.training import training

    executors = training(1).pipeline_spec.deployment_spec["executors"]
    image_of_step = {name.removeprefix("exec-"): executors[name]["container"]["image"] for name in list(executors)}
    assert image_of_step.pop("tune") == image_name("train")
    assert image_of_step == {step: image_name(step) for step in build.STEPS}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_a_lock_has_a_hash_for_every_package_and_no_address(lock: Path) -> None:
    text = lock.read_text()
    blocks = [block for block in re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE) if "==" in block]
    assert blocks
    assert all("--hash=sha256:" in block for block in blocks)
    assert "://" not in text


@pytest.mark.parametrize("image", [*build.STEPS, "serve", "train-gpu", "mlflow", "studio", "kfp", "uv"])
def test_an_image_has_the_versions_that_the_laptop_has(image: str) -> None:
    laptop = pins(ROOT / "requirements" / "laptop.txt")
    others = {name for name, _ in pins(ROOT / "requirements" / f"{image}.txt") - laptop}
    if image == "train-gpu":
        assert "nvidia-cudnn-cu12" in others
        others = {name for name in others if not name.startswith("nvidia-")}
    if image == "mlflow":
        # PostgreSQL's driver and the forms of the users, which only the server of a cluster needs.
        others -= {"psycopg2-binary", "flask-wtf", "wtforms"}
    assert others == set()


FORMATS = {"ai_edge_litert", "onnx", "onnxruntime", "tf2onnx"}
"""Of the extra `formats`, which `darkroom model export` asks for by name; no image has it."""
CONTRACT_IMPORTS = {
    "fsspec": ("preprocess", "train"),
    "openvino": ("train", "evaluate", "deploy"),
    "pillow_heif": (),
}
"""The contract's imports that only some steps need: OpenVINO to infer, and fsspec for the shared store.

No image decodes HEIC.
"""


@pytest.mark.parametrize("step", build.STEPS)
def test_everything_that_a_step_imports_is_in_its_lock(step: str) -> None:
    distributions = packages_distributions()
    locked = {name for name, _ in pins(ROOT / "requirements" / f"{step}.txt") | pins(ROOT / "requirements" / "kfp.txt")}
    # The demo data and drift are made on a laptop, with what evaluate brings: scikit-learn and SciPy.
    laptop_only = {"components/preprocess/demo.py", "components/deploy/monitoring/drift.py"}
    for path in [*(ROOT / "components" / step).rglob("*.py"), *(ROOT / "components" / "contract").rglob("*.py")]:
        if str(path.relative_to(ROOT)) in laptop_only:
            continue
        for module in imported_modules(path) - set(sys.stdlib_module_names) - {"components"}:
            if module in FORMATS:
                continue
            owners = {re.sub(r"[._]", "-", name).lower() for name in distributions.get(module, [module])}
            if "contract" in path.parts and not owners & locked:
                assert step not in CONTRACT_IMPORTS.get(module, build.STEPS), f"{path.name} imports {module}"
            else:
                assert owners & locked, f"{path.relative_to(ROOT)} imports {module}"


def imported_modules(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


def test_the_dockerfile_copies_only_what_is_there_and_not_ignored() -> None:
    included = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+)$", (ROOT / build.DOCKERFILE).read_text(), re.MULTILINE)
    assert copied
    for line in copied:
        for source in line.split()[:-1]:
            assert source.partition("/")[0].replace("wheel[s]", "wheels") in included
            for image in build.STEPS:
                path = ROOT / source.replace("${STEP}", image).replace("${LOCK}", image)
                assert path.exists() or "[" in source, path


@pytest.mark.parametrize(
    ("image", "options", "expected"),
    [
        ("train", BuildOptions(), ["BASE_IMAGE=python:3.11-slim", "STEP=train", "step"]),
        ("train", BuildOptions(gpu=True), ["LOCK=train-gpu"]),
        ("serve", BuildOptions(base_image="base:1"), ["BASE_IMAGE=base:1", "STEP=serve", "serve"]),
        ("deploy", BuildOptions(network="host"), ["--network", "host"]),
        ("deploy", BuildOptions(index_url="https://index.example.org"), ["PIP_INDEX_URL=https://index.example.org"]),
        ("deploy", BuildOptions(offline=True), ["PIP_NO_INDEX=1"]),
    ],
)
def test_build_options_reach_docker(image: str, options: BuildOptions, expected: list[str]) -> None:
    arguments = build_arguments(image, options)
    assert all(word in arguments for word in expected)
    assert f"org.opencontainers.image.revision={build.revision()}" in arguments


def test_only_train_has_a_gpu_image() -> None:
    assert not any("train-gpu" in word for word in build_arguments("evaluate", BuildOptions(gpu=True)))
    assert image_name("train", gpu=True) == f"{image_name('train')}-gpu"


def test_digests_are_kept_for_submit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        EngineError, match=r"build/images\.json does not exist\. Push them with darkroom images push REGISTRY"
    ):
        build.read_digests()
    build.write_digests({"train": "registry.example.org/darkroom-train-python@sha256:0"})
    assert build.read_digests() == {"train": "registry.example.org/darkroom-train-python@sha256:0"}
    build.write_digests({"deploy": "registry.example.org/darkroom-deploy-python@sha256:1"})
    assert build.read_digests() == {
        "train": "registry.example.org/darkroom-train-python@sha256:0",
        "deploy": "registry.example.org/darkroom-deploy-python@sha256:1",
    }


def test_images_are_built_from_the_source_tree_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "SOURCE_DIR", tmp_path)
    with pytest.raises(EngineError, match="Images are built from Darkroom's own source tree"):
        build.build("train", BuildOptions())
    assert build.source_digest("train") is None


def test_the_digest_of_a_source_follows_the_step_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("components/contract/a.py", "components/train/b.py", "components/deploy/c.py", build.DOCKERFILE):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    monkeypatch.setattr(build, "SOURCE_DIR", tmp_path)
    before = {step: build.source_digest(step) for step in ("train", "deploy")}
    (tmp_path / "components/train/b.py").write_text("changed")
    assert build.source_digest("train") != before["train"]
    assert build.source_digest("deploy") == before["deploy"]


def test_a_missing_docker_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EngineError) as error:
        build.push("train", "registry.example.org")
    assert "no `docker` was found on PATH" in str(error.value)


def run(*arguments: str, cwd: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    import os

    command = [sys.executable, "-m", "pipelines.cli.main", "run", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, env=os.environ | environment)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--runner", "docker"], "A running container engine is needed for --runner docker; none answers"),
        (
            ["--memory", "4g"],
            "--memory and --gpus apply to containers, which this run does not use; add --runner docker",
        ),
    ],
)
def test_a_run_that_cannot_have_containers_is_refused_before_any_work(
    arguments: list[str], message: str, tmp_path: Path
) -> None:
    from tests.support.artifacts import make_photos

    make_photos(tmp_path / "photos", per_class=4)
    result = run("--data", "photos", *arguments, cwd=tmp_path, DOCKER_HOST=f"unix://{tmp_path}/no.sock")
    assert result.returncode == 2, result.stderr
    assert message in result.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("code", "out_of_memory", "expected"),
    [
        (137, True, "killed because it ran out of memory (exit code 137). Allow more with --memory"),
        (1, True, "killed because it ran out of memory (exit code 1)"),
        (137, False, "(exit code 137) was killed by the system (SIGKILL), most likely out of memory"),
        (143, False, "(exit code 143) was ended by SIGTERM"),
    ],
)
def test_exit_codes_are_explained(code: int, out_of_memory: bool, expected: str) -> None:
    assert expected in explain_end(code, out_of_memory=out_of_memory)


@pytest.fixture
def params(tmp_path: Path) -> Params:
    (tmp_path / "photos").mkdir()
    loaded_params = load_params(ROOT / "params.yaml", (f"data.uri={tmp_path / 'photos'}",))
    return resolve(loaded_params, native_size=(8, 8), data_name="digits").params


def test_containers_read_the_photos_and_write_to_the_run_and_the_store(
    params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    environment = {
        EVENTS_VARIABLE: str(tmp_path / "runs" / "r1" / "events.jsonl"),
        "MLFLOW_RUN_ID": "abc",
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/store/mlflow.db",
        "DARKROOM_CACHE": "cache",
        "SECRET": "no",
    }
    containers = plan_containers(Path("runs/r1"), params, environment, Limits(memory="2g", gpus=1))
    assert containers.readable == (str(tmp_path / "photos"),)
    assert set(containers.writable) == {str(tmp_path / name) for name in ("runs/r1", ".darkroom", "store", "cache")}
    assert containers.environment["MLFLOW_RUN_ID"] == "abc"
    assert "SECRET" not in containers.environment
    origin = Source.model_validate_json(containers.environment["DARKROOM_ORIGIN"])
    assert origin.uri == str(tmp_path / "photos")

    arguments = docker.Containers.from_json(json.loads(json.dumps(containers.to_json()))).run_arguments()
    assert arguments["labels"] == {docker.RUN_LABEL: "r1"}
    assert (arguments["mem_limit"], arguments["memswap_limit"]) == ("2g", "2g")
    assert arguments["read_only"]
    assert arguments["network_mode"] is None
    writable = {mount["Target"]: not mount["ReadOnly"] for mount in arguments["mounts"]}
    assert writable == dict.fromkeys(containers.writable, True) | {str(tmp_path / "photos"): False}


def test_a_repository_on_this_machine_is_mounted_and_tells_its_own_version(
    params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What DVC and git know of `dvc+<repository>@<revision>:<path>` is found where it is fetched: in the container."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "repository").mkdir()
    for uri, readable in (
        (f"dvc+{tmp_path}/repository@main:data/pets", (str(tmp_path / "repository"),)),
        ("dvc+https://example.org/pets.git@main:data/pets", ()),
        ("s3://bucket/pets", ()),
    ):
        run_params = params.model_copy(update={"data": params.data.model_copy(update={"uri": uri})})
        containers = plan_containers(Path("runs/r1"), run_params, {EVENTS_VARIABLE: "events"}, Limits())
        assert containers.readable == readable
        assert "DARKROOM_ORIGIN" not in containers.environment


def test_a_store_on_this_machine_is_reached_through_its_network(
    params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for uri, mode in (("http://127.0.0.1:5000", "host"), ("https://mlflow.example.org", None)):
        environment = {EVENTS_VARIABLE: "events", "MLFLOW_TRACKING_URI": uri}
        arguments = plan_containers(Path("runs/r1"), params, environment, Limits()).run_arguments()
        assert arguments["network_mode"] == mode


@pytest.mark.parametrize("key", ["path", "from", "weights"])
def test_containers_read_the_model_that_is_brought(
    key: str, params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").touch()
    name = {"name": "MobileNetV2"} if key == "weights" else {}
    model = ModelParams.model_validate({key: str(tmp_path / "mine")} | name)
    params = params.model_copy(update={"train": params.train.model_copy(update={"model": model})})
    containers = plan_containers(Path("runs/r1"), params, {EVENTS_VARIABLE: "events"}, Limits())
    assert set(containers.readable) == {str(tmp_path / "photos"), str(tmp_path / "mine")}


def test_with_gpus_the_tasks_that_search_and_train_run_in_the_cuda_image() -> None:
    from pipelines.runners.docker import use_gpu_image
    from pipelines.training import training

    pipeline = training.__wrapped__(1)
    use_gpu_image(pipeline)
    executors = pipeline.pipeline_spec.deployment_spec["executors"]
    images = {name.removeprefix("exec-"): executors[name]["container"]["image"] for name in list(executors)}
    assert {step for step, image in images.items() if image == image_name("train", gpu=True)} == {"tune", "train"}
    assert images["evaluate"] == image_name("evaluate")
