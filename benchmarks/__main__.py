"""Runs the benchmarks and prints one table: `python -m benchmarks [NAME …] [--json]`.

Every module in this folder with a function `measure() -> list[Row]` is a benchmark; one that also sets
`ON_REQUEST = "reason"` runs only if the command names it. Each benchmark runs in a separate process, so that its memory
can be measured. The exit code is 1 if a ratio misses its target.
"""

import argparse
import ast
import importlib
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks.table import Row, SkipError, print_rows


def main() -> int:
    """Runs the benchmarks that the command line names, and returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(find_benchmarks())}")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(find_benchmarks())
    if unknown:
        parser.error(f"unknown benchmarks: {', '.join(sorted(unknown))}; choose from {', '.join(find_benchmarks())}")
    if arguments.here:
        (name,) = arguments.names
        print(json.dumps(measure_here(name)))
        return 0
    rows: list[Row] = []
    skipped_benchmarks: list[tuple[str, str]] = []
    for name in arguments.names or find_benchmarks():
        if not arguments.names and (skip_reason := request_reason(name)) is not None:
            skipped_benchmarks.append((name, skip_reason))
            continue
        print(f"{name} …", file=sys.stderr)
        new_rows, skip_reason = measure_apart(name)
        rows += new_rows
        skipped_benchmarks += [(name, skip_reason)] if skip_reason else []
    if arguments.json:
        print(json.dumps([asdict(row) | {"holds": row.holds} for row in rows], ensure_ascii=False, indent=2))
    else:
        print_rows(rows, skipped_benchmarks)
    return 0 if all(row.holds for row in rows) else 1


def find_benchmarks() -> list[str]:
    """Finds the modules of this folder that define `measure`, without importing them."""
    return sorted(
        path.stem
        for path in Path(__file__).parent.glob("*.py")
        if any(
            isinstance(node, ast.FunctionDef) and node.name == "measure" for node in ast.parse(path.read_text()).body
        )
    )


def request_reason(name: str) -> str | None:
    """Returns why a benchmark runs only if it is named, or None if it always runs; does not import the module."""
    for node in ast.parse((Path(__file__).parent / f"{name}.py").read_text()).body:
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if any(getattr(target, "id", None) == "ON_REQUEST" for target in targets):
            return str(ast.literal_eval(node.value))
    return None


def measure_here(name: str) -> dict[str, object]:
    """Runs one benchmark in this process."""
    try:
        return {"rows": [asdict(row) for row in importlib.import_module(f"benchmarks.{name}").measure()]}
    except SkipError as reason:
        return {"rows": [], "skipped": str(reason)}


def measure_apart(name: str) -> tuple[list[Row], str | None]:
    """Runs one benchmark in a separate process; all its output except the rows goes to standard error."""
    command = [sys.executable, "-m", "benchmarks", name, "--here"]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    *other_lines, last_line = result.stdout.splitlines()
    print(*other_lines, sep="\n", end="\n" if other_lines else "", file=sys.stderr)
    results = json.loads(last_line)
    return [Row(**row) for row in results["rows"]], results.get("skipped")


if __name__ == "__main__":
    sys.exit(main())
