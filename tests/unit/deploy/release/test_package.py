"""A bento reaches the cluster unchanged."""

from pathlib import Path

import pytest

from components.contract.errors import ArtifactError, TrackingError
from components.contract.system.atomic_files import file_sha256
from components.deploy.release.package import FOLDER, Reference, fetch, pack, publish, read_reference


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_downloaded_bento_equals_the_published_one(bento: Path, run_id: str, tmp_path: Path) -> None:
    reference = publish(run_id, bento)
    fetch(Reference.parse(str(reference)), tmp_path / "pod" / "bento")
    assert content(tmp_path / "pod" / "bento") == content(bento / "bento")


def test_equal_bentos_have_equal_digests(bento: Path, tmp_path: Path) -> None:
    for name in ("one.tar", "two.tar"):
        pack(bento / "bento", tmp_path / name)
        (bento / "bento" / "bento.yaml").touch()
    assert file_sha256(tmp_path / "one.tar") == file_sha256(tmp_path / "two.tar")


def test_publishing_a_later_bento_of_a_run_keeps_the_earlier_bento(bento: Path, run_id: str, tmp_path: Path) -> None:
    """After a rollback, new pods fetch the earlier bento.

    An MLflow run gets a second bento if a later pipeline run deploys the model of a cached train step.
    """
    earlier, earlier_content = publish(run_id, bento), content(bento / "bento")
    (bento / "bento" / "bento.yaml").write_text("name: other\n")
    assert publish(run_id, bento) != earlier
    fetch(earlier, tmp_path / "pod" / "bento")
    assert content(tmp_path / "pod" / "bento") == earlier_content


def test_a_bento_that_was_changed_is_refused(bento: Path, run_id: str, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    reference = publish(run_id, bento)
    (bento / "bento" / "bento.yaml").write_text("name: other\n")
    changed_path = tmp_path / Path(reference.artifact_path).name
    pack(bento / "bento", changed_path)
    MlflowClient().log_artifact(run_id, str(changed_path), FOLDER)
    with pytest.raises(ArtifactError, match="was changed after its rollout"):
        fetch(reference, tmp_path / "pod")
    assert not (tmp_path / "pod").exists()


def test_a_missing_bento_is_reported(run_id: str, tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match=f"MLflow did not return the bento {run_id}@sha256"):
        fetch(Reference(run_id, "0" * 64), tmp_path / "pod")


@pytest.mark.parametrize("text", ["", "latest", "a" * 32, f"{'a' * 32}@sha256:short"])
def test_a_missing_or_invalid_bento_reference_is_reported(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_BENTO", text)
    with pytest.raises(ArtifactError, match="must have the form <run id>@sha256:<digest>"):
        read_reference()
