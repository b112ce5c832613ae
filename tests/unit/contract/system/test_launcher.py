"""Programs are started only from PATH, and nothing is imported from the working folder."""

import os
import sys
from pathlib import Path

import pytest

from components.contract.system import launcher


def test_a_program_in_the_working_folder_is_not_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "git").write_text("#!/bin/sh\ntouch ran\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    for search_path in ("", ".", f"{os.pathsep}.{os.pathsep}", str(tmp_path)):
        monkeypatch.setenv("PATH", search_path)
        with pytest.raises(launcher.MissingProgramError, match="The program git was not found on PATH"):
            launcher.git("status", cwd=tmp_path)
    monkeypatch.setenv("PATH", f".{os.pathsep}/usr/bin{os.pathsep}/bin")
    assert Path(launcher.program("sh")[0]).is_absolute()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["random.py", "json.py", "components/__init__.py", "sitecustomize.py", "dvc.py"])
def test_a_module_in_the_working_folder_is_not_imported(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("raise SystemExit('imported from the working folder')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}.{os.pathsep}{launcher.ROOT}")
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / name))
    result = launcher.run(launcher.python("components.preprocess", "--help"), cwd=tmp_path)
    assert (result.returncode, "--output" in result.stdout) == (0, True), result.stderr


def test_a_program_started_by_a_child_process_imports_nothing_from_the_working_folder(tmp_path: Path) -> None:
    """KFP's local runner starts `sh -c "python -m kfp.dsl.executor_main …"` in the working folder."""
    (tmp_path / "random.py").write_text("raise SystemExit('imported from the working folder')")
    program = f"'{sys.executable}' -m calendar 2026"  # the module calendar imports locale
    (tmp_path / "locale.py").write_text("raise SystemExit('imported from the working folder')")
    result = launcher.run(launcher.program("sh", "-c", program), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "2026" in result.stdout


def test_the_environment_keeps_user_variables_and_drops_those_that_load_code(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {
        "HOME": "/home/u",
        "HTTPS_PROXY": "http://proxy",
        "SSL_CERT_FILE": "/ca.pem",
        "AWS_PROFILE": "p",
        "MLFLOW_TRACKING_TOKEN": "t",
        "DARKROOM_CACHE": "/c",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "CUDA_VISIBLE_DEVICES": "",
        "SSH_AUTH_SOCK": "/s",
        "GIT_AUTHOR_NAME": "n",
        "GIT_COMMITTER_EMAIL": "e",
        "GIT_SSH_COMMAND": "ssh -i key",
        "LD_LIBRARY_PATH": "/cuda",
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
    }
    dropped = (
        "GIT_DIR",
        "GIT_INDEX_FILE",
        "GIT_CONFIG_COUNT",
        "GIT_EXTERNAL_DIFF",
        "PYTHONHOME",
        "PYTHONSTARTUP",
        "PYTHONWARNINGS",
        "PYTHONBREAKPOINT",
        "LD_AUDIT",
        "BASH_ENV",
        "PYTHONPATH",
    )
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for name in dropped:
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/cuda::relative:")  # an empty entry means the working folder
    environment = launcher.environment()
    assert {name: environment.get(name) for name in variables} == variables
    assert not set(dropped) & set(environment)
    assert environment["PYTHONSAFEPATH"] == "1"
