"""The license check, with the packages that Darkroom uses and with invented ones."""

import re
import sys
from pathlib import Path

import pytest

from pipelines.images import licenses
from pipelines.images.licenses import ALLOWED, LOCK_DIR, expression_of, is_allowed, problems_of


def lock(folder: Path, pin: str, name: str = "serve") -> Path:
    path = folder / f"{name}.txt"
    path.write_text(f"{pin} \\\n    --hash=sha256:{'0' * 64}\n")
    return path


def test_every_locked_package_has_an_allowed_license(capsys: pytest.CaptureFixture[str]) -> None:
    assert licenses.main() == 0, capsys.readouterr().out


def test_every_pin_of_a_lock_file_is_checked() -> None:
    for path in LOCK_DIR.glob("*.txt"):
        text = path.read_text(encoding="utf-8")
        assert len(licenses._PIN.findall(text)) == text.count("==") - text.count(" == '"), path


def test_the_heic_wheel_that_bundles_x265_is_rejected_in_images_but_not_on_a_laptop(tmp_path: Path) -> None:
    pytest.importorskip("pillow_heif", reason="the extra heic is not installed")
    problems = list(problems_of(lock(tmp_path, "pillow-heif==1.8.1")))
    assert len(problems) == 2
    assert "GPL-2.0-or-later" in problems[0]
    assert "libx265" in problems[1]
    assert list(problems_of(lock(tmp_path, "pillow-heif==1.8.1", name="laptop"))) == []


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        ("License-Expression: AGPL-3.0-only", "AGPL-3.0-only"),
        ("License: GPLv3+", r"GPLv3\+"),
        ("License: MIT\nClassifier: License :: OSI Approved :: MIT License", None),
        ("Classifier: License :: OSI Approved :: GNU Affero General Public License v3 or later (AGPLv3+)", "Affero"),
        ("Classifier: License :: OSI Approved", "must be known"),
        ("Summary: silent", "must be known"),
        ("License-Expression: MIT OR GPL-3.0-only", None),
        ("License-Expression: MIT AND GPL-3.0-only", "MIT AND GPL-3.0-only"),
    ],
)
def test_only_a_package_without_an_allowed_license_is_reported(
    metadata: str, problem: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "site" / "made_up-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: made-up\nVersion: 1.0\n{metadata}\n")
    monkeypatch.setattr(sys, "path", [str(folder.parent), *sys.path])
    licenses._find_distribution.cache_clear()
    problems = list(problems_of(lock(tmp_path, "made-up==1.0")))
    licenses._find_distribution.cache_clear()
    assert len(problems) == (problem is not None)
    if problem is not None:
        assert re.search(problem, problems[0])


def test_a_package_for_another_operating_system_is_not_checked(tmp_path: Path) -> None:
    assert list(problems_of(lock(tmp_path, "pywin32==310 ; sys_platform == 'win32'"))) == []


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("GPL-2.0-only WITH GCC-exception-2.0", True),
        ("GPL-2.0-only", False),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", True),
        ("(GPL-3.0-only OR MIT) AND (AGPL-3.0-only OR GPL-3.0-only)", False),
        ("(MIT", False),
        ("MIT Apache-2.0", False),
        ("", False),
    ],
)
def test_an_spdx_expression_is_evaluated(expression: str, allowed: bool) -> None:
    assert is_allowed(expression, ALLOWED) is allowed


def test_the_first_informative_field_determines_the_license() -> None:
    assert expression_of("MIT", "GPLv3", []) == "MIT"
    assert expression_of(None, "Apache 2.0", ["BSD License"]) == "Apache-2.0"
    assert expression_of(None, "Copyright …\nPermission is hereby granted", ["MIT License"]) == "MIT"
