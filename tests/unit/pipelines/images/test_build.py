"""The parts of a container image build that need no engine: names, lock files, build arguments and digests."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from pipelines.images import build
from pipelines.images.build import BuildOptions, EngineError, build_arguments, image_name

ROOT = Path(__file__).parents[4]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PIN = re.compile(r"^([a-z0-9._-]+)==(\S+)", re.MULTILINE)


def pins(lock: Path) -> set[tuple[str, str]]:
    return set(PIN.findall(lock.read_text()))


def test_each_pipeline_component_names_an_image_that_is_built() -> None:
    from pipelines.training import training

    executors = training(1).pipeline_spec.deployment_spec["executors"]
    image_of_step = {name.removeprefix("exec-"): executors[name]["container"]["image"] for name in list(executors)}
    assert image_of_step.pop("tune") == image_name("train")
    assert image_of_step == {step: image_name(step) for step in build.STEPS}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_a_lock_file_has_a_hash_for_every_package_and_no_download_address(lock: Path) -> None:
    text = lock.read_text()
    blocks = [block for block in re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE) if "==" in block]
    assert blocks
    assert all("--hash=sha256:" in block for block in blocks)
    assert "://" not in text


@pytest.mark.parametrize("image", [*build.STEPS, "serve", "train-gpu", "mlflow", "studio", "kfp", "uv"])
def test_an_image_has_the_same_package_versions_as_the_laptop_environment(image: str) -> None:
    laptop = pins(ROOT / "requirements" / "laptop.txt")
    others = {name for name, _ in pins(ROOT / "requirements" / f"{image}.txt") - laptop}
    if image == "train-gpu":
        assert "nvidia-cudnn-cu12" in others
        others = {name for name in others if not name.startswith("nvidia-")}
    if image == "mlflow":
        # only a cluster's MLflow server needs the PostgreSQL driver and the libraries for user management forms
        others -= {"psycopg2-binary", "flask-wtf", "wtforms"}
    assert others == set()


FORMATS = {"ai_edge_litert", "onnx", "onnxruntime", "tf2onnx"}
"""The modules of the extra `formats`, which only `darkroom model export` needs; no container image has them."""
CONTRACT_IMPORTS = {
    "fsspec": ("preprocess", "train"),
    "openvino": ("train", "evaluate", "deploy"),
    "pillow_heif": (),
}
"""For each module that components/contract imports but only some or none of the steps need, the steps that need it.

OpenVINO is for inference, and fsspec for a shared store. No step needs pillow_heif, because no container decodes HEIC.
"""


@pytest.mark.parametrize("step", build.STEPS)
def test_all_imports_of_a_step_are_in_its_lock_file(step: str) -> None:
    distributions = packages_distributions()
    locked = {name for name, _ in pins(ROOT / "requirements" / f"{step}.txt") | pins(ROOT / "requirements" / "kfp.txt")}
    # Demo data and drift detection need scikit-learn and SciPy, and are only used in the laptop environment.
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


def test_the_dockerfile_only_copies_existing_files_that_are_not_ignored() -> None:
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
def test_build_options_become_arguments_of_docker_build(image: str, options: BuildOptions, expected: list[str]) -> None:
    arguments = build_arguments(image, options)
    assert all(word in arguments for word in expected)
    assert f"org.opencontainers.image.revision={build.revision()}" in arguments


def test_only_train_has_a_gpu_image() -> None:
    assert not any("train-gpu" in word for word in build_arguments("evaluate", BuildOptions(gpu=True)))
    assert image_name("train", gpu=True) == f"{image_name('train')}-gpu"


def test_digests_are_stored_for_submit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_images_are_only_built_from_the_source_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "SOURCE_DIR", tmp_path)
    with pytest.raises(EngineError, match="Images are built from Darkroom's source tree"):
        build.build("train", BuildOptions())
    assert build.source_digest("train") is None


def test_the_source_digest_of_a_step_ignores_other_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("components/contract/a.py", "components/train/b.py", "components/deploy/c.py", build.DOCKERFILE):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    monkeypatch.setattr(build, "SOURCE_DIR", tmp_path)
    before = {step: build.source_digest(step) for step in ("train", "deploy")}
    (tmp_path / "components/train/b.py").write_text("changed")
    assert build.source_digest("train") != before["train"]
    assert build.source_digest("deploy") == before["deploy"]


def test_a_missing_docker_command_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EngineError) as error:
        build.push("train", "registry.example.org")
    assert "no `docker` was found on PATH" in str(error.value)
