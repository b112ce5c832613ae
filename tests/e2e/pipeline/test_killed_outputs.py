"""kill -9 while a command writes its output leaves the old or the new output, never a partial one."""

import itertools
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.contract.artifacts.bundle import read_bundle
from components.contract.artifacts.evaluation import CHAMPION, Verdict
from components.contract.tracking.run import create_run
from components.deploy.bento.build import lay_out
from components.deploy.release.registry import register
from tests.cases.hostile_models.attack import Attack
from tests.cases.hostile_models.files import keras_file, network
from tests.support.artifacts import make_bundle, make_dataset, make_photos
from tests.support.kill_points import killed
from tests.unit.deploy.release.test_registry import FIRST, facts

POINTS = ("tempfile.mkstemp", "tempfile.mkdtemp:partial", "shutil.copyfile", "os.chmod", "os.rename", "os.remove")


@dataclass(frozen=True)
class Command:
    """A command that writes one output.

    Attributes:
        program: Python code that does the work of the command; its arguments are the inputs and the output.
        prepare: creates the inputs in a folder and returns their paths.
        old: the content of the previous output; None if there is none.
    """

    program: str
    prepare: Callable[[Path], list[Path]]
    old: str | None


def make_prediction_inputs(folder: Path) -> list[Path]:
    info = make_dataset(folder / "dataset", per_class=2)
    make_bundle(folder / "bundle", info)
    lay_out(folder / "bento" / "src", folder / "bundle", read_bundle(folder / "bundle"), "colors")
    return [folder, make_photos(folder / "photos", per_class=2)]


def make_upload(folder: Path) -> list[Path]:
    return [keras_file(Attack(folder, folder / "marker", 0, folder), network())]


def make_untrained_model(folder: Path) -> list[Path]:
    from tests.unit.train.export.formats.bundle import make_untrained_bundle

    make_untrained_bundle(folder / "model", make_dataset(folder / "dataset", per_class=2))
    return [folder / "dataset", folder / "model", folder / "evaluation"]


COMMANDS = {
    "predict --output": Command(
        "import pathlib, sys; from components.deploy.predict import predict_files, write_csv;"
        "bento, photos, output = map(pathlib.Path, sys.argv[1:]);"
        "write_csv(predict_files(bento, [photos]), output, overwrite=True)",
        make_prediction_inputs,
        "old",
    ),
    "images push": Command(
        "import pathlib, sys; from pipelines.images import build; build.DIGESTS_PATH = pathlib.Path(sys.argv[1]);"
        "build.write_digests(dict.fromkeys(build.IMAGES, 'sha256:' + 64 * '1'))",
        lambda folder: [],
        '{"serve": "old"}',
    ),
    "model export": Command(
        "import pathlib, sys; from components.train.export.formats.export import export_model;"
        "export_model(*map(pathlib.Path, sys.argv[1:]))",
        make_untrained_model,
        None,
    ),
    "model import": Command(
        "import pathlib, sys; from components.train.keras_import.importing import import_model;"
        "import_model(*map(pathlib.Path, sys.argv[1:]))",
        make_upload,
        None,
    ),
}
SLOW = ("model export", "model import")
"""The slow commands: they start TensorFlow for each kill."""


def content(output: Path) -> str | list[str] | None:
    """Returns the text of a file or the paths of a folder's files; None if the output does not exist."""
    if output.is_dir():
        return sorted(str(path.relative_to(output)) for path in output.rglob("*") if path.is_file())
    return output.read_text(encoding="utf-8") if output.exists() else None


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.proof if name in SLOW else ()) for name in COMMANDS]
)
def test_an_output_is_old_or_new_after_a_kill_at_any_point(name: str, tmp_path: Path) -> None:
    command, output = COMMANDS[name], tmp_path / "outputs" / "output"
    (tmp_path / "inputs").mkdir()
    output.parent.mkdir()
    arguments = [*map(str, command.prepare(tmp_path / "inputs")), str(output)]
    seen = []
    for number in itertools.count(1):
        if command.old is None:
            shutil.rmtree(output, ignore_errors=True)
        else:
            output.write_text(command.old, encoding="utf-8")
        is_done = not killed(command.program, *arguments, at=POINTS, number=number)
        seen.append(content(output))
        if is_done:
            break
    new = seen[-1]
    assert new not in (None, [], command.old)
    assert number > 2
    assert all(state in (command.old, new) for state in seen), seen
    assert list(output.parent.iterdir()) == [output], "the next writer must remove the partial files of killed writers"


REGISTER = """
import os, sys
from sqlalchemy import Engine, event
from components.contract.artifacts.evaluation import Verdict
from components.deploy.release.registry import register
from tests.unit.deploy.release.test_registry import facts
event.listen(Engine, "commit", lambda connection: sys.audit("test.commit"))
run_id, verdict = sys.argv[1:]
assert register("colors", facts(run_id, "colors:2"), Verdict.model_validate_json(verdict)).promoted
"""


@pytest.mark.proof
def test_a_promotion_continues_after_a_kill_at_any_point(mlflow_store: str, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    store = Path(mlflow_store.removeprefix("sqlite:///"))
    run_id = create_run(experiment="colors", name="test").run_id
    register("colors", facts(run_id), FIRST)
    register("colors", facts(run_id, "colors:2"), Verdict(verdict="cannot tell", reasons=(), champion="1"))
    shutil.copy(store, tmp_path / "before.db")
    better = Verdict(verdict="better", reasons=("It is better.",), champion="1").model_dump_json()
    for number in itertools.count(1):
        shutil.copy(tmp_path / "before.db", store)
        is_done = not killed(REGISTER, str(run_id), better, at=("test.commit",), number=number)
        assert str(MlflowClient().get_model_version_by_alias("colors", CHAMPION).version) in "12"
        assert register("colors", facts(run_id, "colors:2"), Verdict.model_validate_json(better)).promoted
        model = MlflowClient().get_registered_model("colors")
        assert {alias: str(version) for alias, version in model.aliases.items()} == {CHAMPION: "2"}, number
        assert len(MlflowClient().search_model_versions("name = 'colors'")) == 2
        if is_done:
            break
    assert number > 3
