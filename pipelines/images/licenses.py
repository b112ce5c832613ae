"""Checks the licenses of the locked packages, offline: `python -m pipelines.images.licenses`.

An image must not contain a package whose license would apply to the whole image (GPL, AGPL). This rule applies to the
license of the package itself and to those of the libraries in its wheel.
"""

import functools
import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

LOCK_DIR: Final = Path(__file__).resolve().parents[2] / "requirements"
NOT_IN_IMAGES: Final = ("docs", "laptop")
"""Lock files whose packages are only installed on the user's machine and never distributed by Darkroom."""

ALLOWED: Final = frozenset(
    (
        "0BSD",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSD-3-Clause-Clear",
        "CC0-1.0",
        "CNRI-Python",
        "EPL-1.0",
        "EPL-2.0",
        "GPL-2.0-only WITH GCC-exception-2.0",
        "LGPL-3.0-or-later",
        "LicenseRef-NVIDIA-SLA",
        "MIT",
        "MIT-0",
        "MIT-CMU",
        "MPL-2.0",
        "PSF-2.0",
        "ZPL-2.1",
        "Zlib",
    )
)
"""SPDX identifiers. The GCC exception allows linking without conditions; NVIDIA's agreements allow distributing the
CUDA libraries as part of an application."""
ALLOWED_ON_LAPTOP: Final = ALLOWED | {"GPL-2.0-only", "GPL-2.0-or-later"}

REVIEWED: Final = {
    "asyncssh": "EPL-2.0 OR GPL-2.0-or-later",
    "docutils": "BSD-2-Clause AND BSD-3-Clause AND PSF-2.0",  # its other files are in the public domain
    "flask-wtf": "BSD-3-Clause",
    "grandalf": "GPL-2.0-only OR EPL-1.0",  # its LICENSE file offers the choice
    "huey": "MIT",
    "namex": "Apache-2.0",
    "pillow-heif": "BSD-3-Clause AND LGPL-3.0-or-later AND GPL-2.0-or-later",  # libheif, libde265, x265
    "psycopg2-binary": "LGPL-3.0-or-later",
    "pygit2": "GPL-2.0-only WITH GCC-exception-2.0",
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
    "skops": "MIT",
    "wtforms": "BSD-3-Clause",
}
"""Licenses of packages with missing, ambiguous or incomplete metadata, from a manual review of their license files."""
NVIDIA: Final = "nvidia-"
"""The prefix of the CUDA packages, which only the GPU image contains."""

NAMES: Final = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "GNU Affero General Public License v3": "AGPL-3.0-only",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU Library or Lesser General Public License (LGPL)": "LGPL-3.0-or-later",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "Zope Public License": "ZPL-2.1",
}
"""SPDX identifiers for the names in the field License or in a classifier, for packages without a License-Expression."""

GPL_LIBRARIES: Final = frozenset(
    ("libfftw3", "libgsl", "libpostproc", "libreadline", "libx264", "libx265", "libxvidcore")
)
"""Shared libraries under the GPL that wheels may bundle."""

_PIN: Final = re.compile(r"^([a-z0-9._-]+)==([^ ]+)(?: ; (.+?))? \\$", re.MULTILINE)


def main() -> int:
    """Prints the packages that are not allowed; returns 1 if there are any."""
    problems = [problem for lock in sorted(LOCK_DIR.glob("*.txt")) for problem in problems_of(lock)]
    print(*problems, sep="\n", end="\n" if problems else "")  # noqa: T201 - the output of the command
    return 1 if problems else 0


def problems_of(lock: Path) -> Iterator[str]:
    """Yields a sentence for each problem in a lock file: a forbidden or unknown license, or a bundled GPL library."""
    from packaging.markers import Marker

    allowed = ALLOWED_ON_LAPTOP if lock.stem in NOT_IN_IMAGES else ALLOWED
    for name, version, marker in _PIN.findall(lock.read_text(encoding="utf-8")):
        if marker and not Marker(marker).evaluate():
            continue
        package = _find_distribution(name)
        if package is None and lock.stem == "docs":
            continue  # `make test` does not install these packages
        expression = license_of(package) if package else REVIEWED.get(name)
        if name.startswith(NVIDIA):
            expression = "LicenseRef-NVIDIA-SLA"
        if expression is None:
            yield (
                f"requirements/{lock.name}: the license of {name} {version} must be known; the package's "
                "metadata contains none, or it is not installed. Read its license file and add the package to REVIEWED "
                "in licenses.py."
            )
        elif not is_allowed(expression, allowed):
            yield (
                f"requirements/{lock.name}: {name} {version} must have an allowed license (ALLOWED in "
                f"pipelines/images/licenses.py); it is under {expression}. Use another package."
            )
        gpl_libraries = sorted(_gpl_libraries(package)) if package and "GPL-2.0-or-later" not in allowed else []
        if gpl_libraries:
            yield (
                f"requirements/{lock.name}: {name} {version} must not bundle a library under the GPL; its wheel "
                f"contains {', '.join(gpl_libraries)}. Use another package, or leave it out of the image."
            )


def license_of(package: Distribution) -> str | None:
    """The SPDX expression of an installed package's license; None if its metadata contains no known license."""
    name = re.sub(r"[-_.]+", "-", package.metadata["Name"]).lower()
    if name in REVIEWED:
        return REVIEWED[name]
    fields = package.metadata.json
    classifiers = [value.rpartition(" :: ")[2] for value in fields.get("classifier", ()) if value.startswith("License")]
    expression, text = fields.get("license_expression"), fields.get("license")
    return expression_of(str(expression) if expression else None, str(text) if text else None, classifiers)


def expression_of(expression: str | None, text: str | None, classifiers: list[str]) -> str | None:
    """Derives an SPDX expression from the fields of a package's metadata; the first informative field is used.

    Args:
        expression: the field License-Expression, which is an SPDX expression.
        text: the field License: a name, or the text of a license.
        classifiers: the last parts of the classifiers that begin with License.
    """
    if expression:
        return expression
    if text and (text in NAMES or is_allowed(text, ALLOWED) or ("GPL" in text and "\n" not in text.strip())):
        return NAMES.get(text, text)
    identifiers = [NAMES.get(name, name) for name in classifiers if name != "OSI Approved"]
    return " AND ".join(dict.fromkeys(identifiers)) or None


def is_allowed(expression: str, allowed: frozenset[str]) -> bool:
    """Whether an SPDX expression can be satisfied with allowed licenses only."""
    words = re.sub(r" WITH ", "_WITH_", expression).replace("(", " ( ").replace(")", " ) ").split()
    holds = _alternatives(words, allowed)
    return holds and not words


def _alternatives(words: list[str], allowed: frozenset[str]) -> bool:
    holds = _conjunction(words, allowed)
    while words and words[0] == "OR":
        words.pop(0)
        holds = _conjunction(words, allowed) or holds
    return holds


def _conjunction(words: list[str], allowed: frozenset[str]) -> bool:
    holds = _license(words, allowed)
    while words and words[0] == "AND":
        words.pop(0)
        holds = _license(words, allowed) and holds
    return holds


def _license(words: list[str], allowed: frozenset[str]) -> bool:
    if not words:
        return False
    word = words.pop(0)
    if word != "(":
        return word.replace("_WITH_", " WITH ") in allowed
    holds = _alternatives(words, allowed)
    return bool(words) and words.pop(0) == ")" and holds


@functools.cache
def _find_distribution(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def _gpl_libraries(package: Distribution) -> set[str]:
    """The GPL libraries that a package bundles, such as libx265 for the file libx265-4883ecb5.so.217."""
    names = {re.split(r"[-.]", Path(str(file)).name)[0] for file in package.files or [] if ".so" in str(file)}
    return names & GPL_LIBRARIES


if __name__ == "__main__":
    sys.exit(main())
