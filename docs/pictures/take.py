"""Takes the pictures of the README with headless Chromium: `make pictures`.

Runs the pipeline on the demo data in build/pictures/, unless a finished run is there, and starts the studio and MLflow.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

PICTURES = Path(__file__).parent
ROOT = PICTURES.parents[1]
WORK = ROOT / "build" / "pictures"
DARKROOM = (sys.executable, "-P", "-m", "darkroom")
START_SECONDS = 300
MAX_BYTES = 150_000


def run_pipeline() -> None:
    """Runs the pipeline on the demo data, unless a finished run is there."""
    if (WORK / "runs" / "latest").exists():
        return
    WORK.mkdir(parents=True, exist_ok=True)
    demo = [sys.executable, "-P", "-m", "components.preprocess.demo", "--output", "data/digits"]
    subprocess.run(demo, cwd=WORK, check=True)
    subprocess.run([*DARKROOM, "run", "--params", str(ROOT / "params.yaml")], cwd=WORK, check=True)


@contextmanager
def server(*verb: str) -> Iterator[str]:
    """Runs a verb of Darkroom that serves a page, and yields its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    with subprocess.Popen([*DARKROOM, *verb, "--port", str(port)], cwd=WORK, stdout=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + START_SECONDS
            while not answers(address):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"`darkroom {' '.join(verb)}` must answer at {address}; it does not.")
                time.sleep(0.5)
            yield address
        finally:
            process.terminate()


def answers(address: str) -> bool:
    """Returns whether a page is served at an address."""
    try:
        with urllib.request.urlopen(address):  # noqa: S310 - an address of this machine
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def take(name: str, address: str, *, height: int = 860) -> None:
    """Writes `name`.webp, a picture of the page at an address."""
    browser = next(
        (path for path in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if path), None
    )
    if browser is None:
        raise SystemExit(
            "Chromium must be on PATH to take the pictures; it is not. Install it: apt-get install chromium"
        )
    png_path = WORK / f"{name}.png"
    command = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    options = [f"--window-size=1280,{height}", "--timeout=20000", f"--screenshot={png_path}"]
    subprocess.run([*command, *options, address], check=True, stderr=subprocess.DEVNULL)
    path = PICTURES / f"{name}.webp"
    with Image.open(png_path) as image:
        image.convert("RGB").save(path, quality=80, method=6)
    if path.stat().st_size > MAX_BYTES:
        raise SystemExit(f"A picture must have at most {MAX_BYTES} bytes; {path} has {path.stat().st_size}.")
    print(f"Wrote {path.relative_to(ROOT)} ({path.stat().st_size // 1000} kB)")


def main() -> None:
    """Takes all pictures."""
    os.environ["DVC_NO_ANALYTICS"] = "1"
    run_pipeline()
    run_id = (WORK / "runs" / "latest").resolve().name
    take("report", (WORK / "runs" / run_id / "evaluation" / "report.html").as_uri())
    with server("studio", "--no-browser") as address:
        take("studio", f"{address}/#results/{run_id}")
    with server("ui") as address:
        take("mlflow", f"{address}/#/experiments/1/runs")


if __name__ == "__main__":
    main()
