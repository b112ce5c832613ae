"""Takes the pictures for the README with headless Chromium: `make pictures`.

Runs the pipeline on the demo data in build/pictures/, unless that folder already contains a finished run. Then it
starts the studio and MLflow, and takes pictures of their pages.
"""

import asyncio
import base64
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

PICTURES = Path(__file__).parent
ROOT = PICTURES.parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.browser import CHROMIUM, Page, browse  # noqa: E402

WORK = ROOT / "build" / "pictures"
DARKROOM = (sys.executable, "-P", "-m", "darkroom")
START_SECONDS = 300
MAX_BYTES = 150_000
WIDTH = 1280
SETTLE_SECONDS = 3
READY_SECONDS = 120
MLFLOW_IS_READY = """(() => {
  document.querySelector('[aria-label="Close"]')?.click();  // the assistant
  return document.querySelectorAll(".js-plotly-plot").length > 3;
})()"""


def run_pipeline() -> None:
    """Runs the pipeline on the demo data, unless a finished run already exists."""
    if (WORK / "runs" / "latest").exists():
        return
    WORK.mkdir(parents=True, exist_ok=True)
    demo = [sys.executable, "-P", "-m", "components.preprocess.demo", "--output", "data/digits"]
    subprocess.run(demo, cwd=WORK, check=True)
    subprocess.run([*DARKROOM, "run", "--params", str(ROOT / "params.yaml")], cwd=WORK, check=True)


@contextmanager
def server(*verb: str) -> Iterator[str]:
    """Runs a `darkroom` verb that serves a page, and yields the address of the page."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    with subprocess.Popen([*DARKROOM, *verb, "--port", str(port)], cwd=WORK, stdout=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + START_SECONDS
            while not answers(address):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"`darkroom {' '.join(verb)}` does not answer at {address}.")
                time.sleep(0.5)
            yield address
        finally:
            process.terminate()


def answers(address: str) -> bool:
    """Returns whether a server answers at an address, even with an HTTP error."""
    try:
        with urllib.request.urlopen(address):  # noqa: S310 - an address of this machine
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def take(name: str, address: str, *, place: str = "", ready: str = "true", expected: str | None = None) -> None:
    """Writes `name`.webp, a picture of a page.

    Args:
        name: the name of the picture.
        address: the address of the page.
        place: the part of the page's address that begins with #.
        ready: JavaScript that is true as soon as the page is complete.
        expected: errors that the page logs are allowed if they contain this string.
    """
    png_path = WORK / f"{name}.png"

    async def save(page: Page) -> None:
        await page.run(f"location.hash = {place!r}")
        await page.call("Emulation.setScrollbarsHidden", hidden=True)
        await page.until(ready, READY_SECONDS)
        await asyncio.sleep(SETTLE_SECONDS)
        screenshot = await page.call("Page.captureScreenshot")
        png_path.write_bytes(base64.b64decode(screenshot["data"]))

    with tempfile.TemporaryDirectory() as folder:
        browse(address, Path(folder), save, width=WIDTH, ready="true", expected=expected)
    path = PICTURES / f"{name}.webp"
    with Image.open(png_path) as image:
        image.convert("RGB").save(path, quality=80, method=6)
    if path.stat().st_size > MAX_BYTES:
        raise SystemExit(f"A picture must have at most {MAX_BYTES} bytes; {path} has {path.stat().st_size}.")
    print(f"Wrote {path} ({path.stat().st_size // 1000} kB)")


def main() -> None:
    """Takes all pictures."""
    os.environ["DVC_NO_ANALYTICS"] = "1"
    if CHROMIUM is None:
        raise SystemExit(
            "Chromium must be on PATH to take the pictures; it is not. Install it: apt-get install chromium"
        )
    run_pipeline()
    run_dir = (WORK / "runs" / "latest").resolve()
    run_id, mlflow_run_id = run_dir.name, json.loads((run_dir / "summary.json").read_text())["mlflow_run_id"]
    take("report", (run_dir / "evaluation" / "report.html").as_uri())
    with server("studio", "--no-browser") as address:
        take("studio", address, place=f"#results/{run_id}", ready="document.querySelector('.cell.right')")
    with server("ui") as address:
        take(
            "mlflow",
            address,
            place=f"#/experiments/1/runs/{mlflow_run_id}/model-metrics",
            ready=MLFLOW_IS_READY,
            expected="users/current",
        )


if __name__ == "__main__":
    main()
