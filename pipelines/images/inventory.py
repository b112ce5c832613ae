"""Prints the packages of an image as JSON.

The image's own Python runs this module, so the module uses only the standard library. The JSON object has these keys:

{"python": version, "packages": [name, version, license fields], "system": the Linux distribution's id and version,
"debian": [name, version, architecture]}
"""

import json
import platform
import sys
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

STATUS = Path("/var/lib/dpkg/status")


def python_packages() -> list[dict[str, Any]]:
    """The name, version and license fields of every distribution that this Python finds."""
    packages: dict[str, dict[str, Any]] = {}
    for package in distributions():
        fields = package.metadata
        packages[fields["Name"]] = {
            "name": fields["Name"],
            "version": package.version,
            "expression": fields["License-Expression"],
            "licence": fields["License"],
            "classifiers": [
                value.rpartition(" :: ")[2]
                for value in fields.get_all("Classifier") or []
                if value.startswith("License")
            ],
        }
    return [packages[name] for name in sorted(packages)]


def debian_packages(status: str) -> list[dict[str, str]]:
    """The name, version and architecture of every installed package, from the text of dpkg's status file."""
    packages = []
    for paragraph in status.split("\n\n"):
        lines = (line.partition(": ") for line in paragraph.splitlines() if not line.startswith(" "))
        fields = {key: value for key, _, value in lines}
        if fields.get("Status", "").endswith(" installed"):
            packages.append(
                {"name": fields["Package"], "version": fields["Version"], "architecture": fields["Architecture"]}
            )
    return packages


def main() -> None:
    """Prints the inventory."""
    try:
        system = platform.freedesktop_os_release()
    except OSError:
        system = {}
    status = STATUS.read_text(encoding="utf-8") if STATUS.is_file() else ""
    json.dump(
        {
            "python": platform.python_version(),
            "packages": python_packages(),
            "system": {"id": system.get("ID", "linux"), "version": system.get("VERSION_ID", "")},
            "debian": debian_packages(status),
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
