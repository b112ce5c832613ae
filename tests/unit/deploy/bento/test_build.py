"""The built bento contains the service and nothing else."""

import shutil
from importlib.metadata import version
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from components.contract.artifacts.bento import ServiceFacts
from components.contract.artifacts.bundle import BundleInfo, read_bundle
from components.contract.errors import ArtifactError, ServiceError
from components.contract.system.atomic_files import read_json
from components.deploy.bento import build
from components.deploy.bento.build import SERVICE, build_bento, find_code
from tests.unit.deploy.conftest import Artifacts

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def bento(artifacts: Artifacts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("built") / "bento"
    build_bento(artifacts.bundle_dir, read_bundle(artifacts.bundle_dir), "colors", target)
    return target


def test_the_code_of_a_module_includes_all_its_imports(tmp_path: Path) -> None:
    files = {
        "__init__.py": "",
        "a/__init__.py": "from components.a.seen import x",
        "a/seen.py": "",
        "a/other.py": "",
        "a/start.py": "import json\nfrom components.b import inner\ndef f():\n    import components.b.late",
        "b/__init__.py": "",
        "b/inner.py": "from components.a.start import f",
        "b/late.py": "",
        "b/other.py": "",
    }
    for name, code in files.items():
        path = tmp_path / "components" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    expected = {name for name in files if "other" not in name}
    assert find_code("components.a.start", tmp_path) == {Path("components", name) for name in expected}


def test_the_service_needs_no_code_that_trains_evaluates_or_deploys() -> None:
    names = {path.as_posix() for path in find_code(SERVICE, ROOT)}
    assert {
        "components/deploy/service/app.py",
        "components/contract/image/decode.py",
        "components/contract/inference/graph.py",
    } <= names
    steps = {path.split("/")[1] for path in names if path.count("/") > 1}
    assert steps == {"contract", "deploy"}
    other_names = ("step", "bento/build", "bento/server", "release/registry")
    assert not names & {f"components/deploy/{name}.py" for name in other_names}


def test_a_bento_contains_export_service_facts_and_code(artifacts: Artifacts, bento: Path) -> None:
    packed_files = {path.relative_to(bento / "src").as_posix() for path in (bento / "src").rglob("*") if path.is_file()}
    code = {path.as_posix() for path in find_code(SERVICE, ROOT)}
    page = {path.relative_to(ROOT).as_posix() for path in (ROOT / build.PAGE).iterdir()}
    assert {Path(name).name for name in page} >= {"index.html", "base.css", "page.js", "docs.css"}
    assert packed_files == {
        "service.json",
        "export/model.xml",
        "export/model.bin",
        "samples/samples.json",
        "bentofile.yaml",
        "components/contract/pages/theme.css",
        *code,
        *page,
    }
    for name in ("model.xml", "model.bin"):
        assert (bento / "src" / "export" / name).read_bytes() == (artifacts.bundle_dir / "export" / name).read_bytes()
    facts, bundle = read_json(bento / "src" / "service.json", ServiceFacts, "bento"), read_bundle(artifacts.bundle_dir)
    assert facts.class_names == bundle.class_names
    assert facts.image_size == bundle.image_size
    assert facts.lineage.export_sha256 == bundle.export.sha256


def test_a_bento_requires_the_library_versions_that_built_it_and_no_tensorflow(bento: Path) -> None:
    manifest = YAML(typ="safe").load((bento / "bento.yaml").read_text())
    assert f"{manifest['name']}:{manifest['version']}".startswith("colors:")
    requirements = set((bento / "env" / "python" / "requirements.txt").read_text().split())
    assert f"openvino=={version('openvino')}" in requirements
    assert {line.partition("==")[0] for line in requirements} == set(build.REQUIREMENTS)


def tag(bundle_dir: Path, bundle: BundleInfo, folder: Path, name: str = "colors") -> str:
    """The tag of a bento that is laid out but not built, because building does not change the tag."""
    return build.lay_out(folder, bundle_dir, bundle, name).tag


def test_the_tag_depends_on_the_packed_content(artifacts: Artifacts, tmp_path: Path, bento: Path) -> None:
    bundle = read_bundle(artifacts.bundle_dir)
    first = tag(artifacts.bundle_dir, bundle, tmp_path / "first")
    assert first == tag(artifacts.bundle_dir, bundle, tmp_path / "again")
    assert first == read_json(bento / "src" / "service.json", ServiceFacts, "bento").tag
    variants = [
        bundle.model_copy(update={"class_names": ("a", "b", "c")}),
        bundle.model_copy(update={"mlflow_run_id": "another"}),
        bundle.model_copy(update={"resize": "crop"}),
    ]
    tags = [tag(artifacts.bundle_dir, variant, tmp_path / str(number)) for number, variant in enumerate(variants)]
    assert len({first, *tags}) == 4
    assert tag(artifacts.bundle_dir, bundle, tmp_path / "named", "shades").startswith("shades:")


@pytest.mark.parametrize("harm", ["changed", "missing"])
def test_a_changed_or_missing_export_is_rejected(artifacts: Artifacts, tmp_path: Path, harm: str) -> None:
    bundle_dir = tmp_path / "bundle"
    shutil.copytree(artifacts.bundle_dir, bundle_dir)
    path = bundle_dir / "export" / "model.bin"
    path.unlink() if harm == "missing" else path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(ArtifactError, match=r"cannot be read|has changed since training"):
        build_bento(bundle_dir, read_bundle(bundle_dir), "colors", tmp_path / "bento")
    assert not (tmp_path / "bento").exists()


def test_a_failed_build_reports_the_output_of_bentoml(
    artifacts: Artifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "SERVICE", "components.deploy.service.classifier")
    with pytest.raises(ServiceError, match=r"(?s)BentoML failed to build colors:.*PhotoClassifier"):
        build_bento(artifacts.bundle_dir, read_bundle(artifacts.bundle_dir), "colors", tmp_path / "bento")
    assert not (tmp_path / "bento").exists()
