"""Builds a bento: the exported graph, its facts and calibration, sample photos, and the code of the service."""

import ast
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from components.contract.artifacts.bento import Lineage, ServiceFacts
from components.contract.artifacts.bundle import BundleInfo
from components.contract.artifacts.evaluation import EvaluationInfo
from components.contract.errors import ArtifactError, ServiceError
from components.contract.inference.calibration import CALIBRATION_FILES, read_calibration
from components.contract.inference.graph import export_sha256
from components.contract.pages.theme import THEME_PATH
from components.contract.system import launcher
from components.contract.system.address import shorten_address
from components.contract.system.atomic_files import file_sha256, write_json
from components.contract.system.launcher import ROOT
from components.deploy.bento.samples import write_samples

SERVICE = "components.deploy.service.app"
PAGE = Path("components", "deploy", "service", "page")
"""The folder of the service's page; no module imports its files, so they are listed separately."""
REQUIREMENTS = (
    "bentoml",
    "numpy",
    "opencv-python-headless",
    "openvino",
    "pillow",
    "pydantic",
    "python-multipart",
    "simplejpeg",
)
"""The service's requirements; the bento pins the versions that it was built and checked with."""

BUILD_SECONDS = 300.0
EXPORT_FILES = ("model.xml", "model.bin")


@dataclass(frozen=True)
class Extras:
    """The content of a bento in addition to the model.

    Attributes:
        evaluation: the evaluation whose metrics and verdict /model returns, if there is one.
        evaluation_dir: the folder that may contain a calibration.
        photos: golden photos (test photos stored as files), named after their image_id.
        sample_labels: the true label of each sample photo, by image_id, in the order in which the page shows them.
    """

    evaluation: EvaluationInfo | None = None
    evaluation_dir: Path | None = None
    photos: Sequence[Path] = ()
    sample_labels: Mapping[str, int] = field(default_factory=dict)


NOTHING = Extras()


def build_bento(
    bundle_dir: Path, bundle: BundleInfo, model_name: str, target: Path, extras: Extras = NOTHING
) -> ServiceFacts:
    """Builds a bento for `bentoml serve <target>`; requires no package index.

    Args:
        bundle_dir: the model bundle; only export/ is packed.
        bundle: the content of its bundle.json.
        model_name: the name of the bento; its version is a digest of its content.
        target: the folder to create.
        extras: additional content.

    Raises:
        ArtifactError: the exported graph is missing, or does not match the bundle.
        ServiceError: BentoML cannot build the bento; the message contains the last lines of its output.
    """
    graph_digest = export_sha256(bundle_dir / "export")
    if graph_digest != bundle.export.sha256:
        raise ArtifactError(
            f"The exported graph in {bundle_dir / 'export'} has changed since training: its digest is "
            f"{graph_digest[:12]} instead of {bundle.export.sha256[:12]}. Train again."
        )
    with tempfile.TemporaryDirectory(prefix="darkroom-build-") as temporary:
        # bentoml build packs its working directory, so its store must be in another folder.
        context, home = Path(temporary, "context"), Path(temporary, "home")
        facts = lay_out(context, bundle_dir, bundle, model_name, extras)
        _run_build(context, home, facts.tag)
        built_dir = home / "bentos" / facts.tag.replace(":", "/")
        shutil.copytree(built_dir, target)
        target.chmod(0o755)  # BentoML restricts it to the current user; in a container, another user reads it
    return facts


def lay_out(
    context: Path, bundle_dir: Path, bundle: BundleInfo, model_name: str, extras: Extras = NOTHING
) -> ServiceFacts:
    """Writes the source of the bento, which becomes its `src`: service.json, export/, samples/, components/.

    Args:
        context: a new folder.
        bundle_dir: as for `build_bento`.
        bundle: as for `build_bento`.
        model_name: as for `build_bento`.
        extras: as for `build_bento`.

    Raises:
        ArtifactError: the calibration is damaged, or belongs to a different graph.
    """
    page = {path.relative_to(ROOT) for path in (ROOT / PAGE).iterdir() if path.is_file()}
    copy_files(find_code(SERVICE, ROOT) | page | {THEME_PATH.relative_to(ROOT)}, ROOT, context)
    copy_files((Path("export", name) for name in EXPORT_FILES), bundle_dir, context)
    write_samples(extras.photos, extras.sample_labels, bundle.class_names, context / "samples", bundle.pixel_range)
    is_calibrated = _copy_calibration(extras.evaluation_dir, bundle, context)
    facts = make_facts(bundle, model_name, calibrated=is_calibrated)
    published_source = bundle.source.model_copy(update={"uri": shorten_address(bundle.source.uri)})
    facts = facts.model_copy(
        update={
            "test": extras.evaluation.test if extras.evaluation else None,
            "verdict": extras.evaluation.gate.verdict if extras.evaluation else None,
            "lineage": facts.lineage.model_copy(update={"source": published_source}),
        }
    )
    write_json(context / "service.json", facts)
    facts = facts.model_copy(update={"tag": f"{model_name}:{_compute_fingerprint(context)}"})
    write_json(context / "service.json", facts)
    write_json(context / "bentofile.yaml", _make_bentofile(model_name))
    return facts


def _copy_calibration(evaluation_dir: Path | None, bundle: BundleInfo, context: Path) -> bool:
    if evaluation_dir is None or not (evaluation_dir / CALIBRATION_FILES[0]).exists():
        return False
    calibrated_graph = read_calibration(evaluation_dir).facts.export_sha256
    if calibrated_graph != bundle.export.sha256:
        raise ArtifactError(
            f"The calibration in {evaluation_dir} belongs to a different model: it is for the graph "
            f"{calibrated_graph[:12]}, but the bundle contains {bundle.export.sha256[:12]}. Run evaluate "
            "again."
        )
    copy_files(map(Path, CALIBRATION_FILES), evaluation_dir, context)
    return True


def make_facts(bundle: BundleInfo, tag: str, *, calibrated: bool) -> ServiceFacts:
    """The facts about a bundle's model that the service needs."""
    return ServiceFacts(
        tag=tag,
        class_names=bundle.class_names,
        image_size=bundle.image_size,
        resize=bundle.resize,
        pixel_range=bundle.pixel_range,
        lineage=Lineage(
            mlflow_run_id=bundle.mlflow_run_id,
            dataset_fingerprint=bundle.dataset_fingerprint,
            source=bundle.source,
            export_sha256=bundle.export.sha256,
        ),
        model=bundle.model.name,
        precision=bundle.export.precision,
        calibrated=calibrated,
    )


def copy_files(paths: Iterable[Path], source: Path, target: Path) -> None:
    """Copies files from `source` to the same relative paths in `target`, and creates their folders there."""
    for path in paths:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / path, target / path)


def find_code(module: str, root: Path) -> set[Path]:
    """The files below `root` that a module of the project needs, found by following imports in the code.

    Args:
        module: name of the module, such as `components.deploy.service.app`.
        root: the folder that contains `components`.
    """
    files: set[Path] = set()
    pending_modules = [module]
    while pending_modules:
        parts = pending_modules.pop().split(".")
        packages = [Path(*parts[:depth], "__init__.py") for depth in range(1, len(parts))]
        for path in {Path(*parts).with_suffix(".py"), *packages} - files:
            if (root / path).is_file():
                files.add(path)
                pending_modules += _find_imports((root / path).read_text(encoding="utf-8"))
    return files


def _find_imports(code: str) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return [name for name in names if name.startswith("components.")]


def _compute_fingerprint(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()} {file_sha256(path)}\n".encode())
    return digest.hexdigest()[:12]


def _make_bentofile(model_name: str) -> dict[str, object]:
    # bentofile.yaml is written as JSON, which is valid YAML.
    return {
        "service": f"{SERVICE}:PhotoClassifier",
        "name": model_name,
        "description": f"Classifies photos: {model_name}, built by Darkroom.",
        "include": ["components/", "export/", "samples/", "service.json", *CALIBRATION_FILES],
        "python": {
            "packages": [f"{package}=={version(package)}" for package in REQUIREMENTS],
            # Locking requires a package index, which may not be reachable.
            "lock_packages": False,
        },
    }


def _run_build(context: Path, home: Path, tag: str) -> None:
    command = launcher.python("bentoml", "build", "--version", tag.partition(":")[2], str(context))
    try:
        process = launcher.run(command, cwd=context, env=bento_environment(home), timeout_seconds=BUILD_SECONDS)
    except subprocess.TimeoutExpired:
        raise ServiceError(f"BentoML did not finish building the bento {tag} within {BUILD_SECONDS:.0f} s.") from None
    if process.returncode != 0:
        lines = "\n".join((process.stdout + process.stderr).strip().splitlines()[-15:])
        raise ServiceError(f"BentoML failed to build {tag}; it exited with code {process.returncode}:\n{lines}")


def bento_environment(home: Path) -> dict[str, str]:
    """The environment variables for BentoML's commands.

    Args:
        home: BentoML's home folder, separate from the user's own.
    """
    return launcher.environment() | {
        "BENTOML_HOME": str(home),
        "BENTOML_DO_NOT_TRACK": "True",
        # bentoml build calls uv, which is next to this environment's Python.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
    }
