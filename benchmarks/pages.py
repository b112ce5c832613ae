"""The pages in Chromium: first paint, readiness and code size of a first visit, and scrolling through 10,000 photos.

Each page is compared with a line of JSON from the same server; the same browser opens them in turn.
"""

import statistics
import tempfile
import time
from dataclasses import astuple, dataclass
from pathlib import Path

from benchmarks.table import Row, SkipError
from components.deploy.bento.server import serving
from tests.support.artifacts import make_photos
from tests.support.browser import CHROMIUM, Page, browse
from tests.support.page_traces import SCROLL_GRID, trace_tasks, write_many
from tests.support.studio import READY, ask, studio

NUM_VISITS = 9
NUM_TRACES = 3
NUM_PHOTOS = 10_000
RUN_SECONDS = 600
MAX_CODE_BYTES = 60_000
CODE = ("Document", "Script", "Stylesheet")
"""The resource types, as Chromium names them, that count as code."""
LONGEST_TASK_MS = 50
RUN = {
    "train.model": {"layers": [{"Conv2D": {"filters": 8, "kernel_size": 3}}, "GlobalAveragePooling2D"]},
    "train.epochs": 3,
    "evaluate.robustness_photos": 0,
}
NOTE_READINESS = """
(function look() {{
    if ({ready}) window.readyMs = performance.now();
    else requestAnimationFrame(look);
}})();
"""
"""Runs before the scripts of a page; checks at each frame whether the page is ready, and records when."""
FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


def _shown(selector: str) -> str:
    return f"{READY} && document.querySelector({selector!r})"


@dataclass(frozen=True)
class Case:
    """A page to visit.

    Attributes:
        name: the name of the page in the claims.
        path: the path after the address of the server.
        ready: JavaScript that is true as soon as the page can be used.
        max_code_bytes: the limit on the compressed size of the page's code; None for no limit.
    """

    name: str
    path: str
    ready: str
    max_code_bytes: int | None = None


@dataclass(frozen=True)
class Visit:
    """The measurements of a visit with an empty cache: milliseconds since the request, and bytes of code."""

    paint_ms: float
    ready_ms: float
    code_bytes: float


HOME = Case("studio, Data without photos", "", READY, MAX_CODE_BYTES)
GRID = Case("studio, grid of 10,000 photos", "#data/photos", _shown(".photo-cell img[src]"))
SERVICE = Case("page of the service", "", "document.querySelector('#samples button')", MAX_CODE_BYTES)


def measure() -> list[Row]:
    """Compares each page with a line of JSON from the same server, and measures the longest task while scrolling."""
    if CHROMIUM is None:
        raise SkipError("there is no Chromium on PATH")
    with tempfile.TemporaryDirectory() as folder:
        work_dir = Path(folder)
        with studio(work_dir) as url:
            rows = measure_pages(url, work_dir / "home", [HOME], "api/jobs")
            run_id, job_id = train(url, work_dir)
            rows += measure_pages(url, work_dir / "run", run_cases(run_id, job_id), "api/jobs")
            choose(url, write_many(work_dir / "insects", NUM_PHOTOS // 2))
            rows += measure_pages(url, work_dir / "grid", [GRID], "api/jobs")
            rows.append(measure_tasks(url, work_dir / "tasks"))
        with serving(work_dir / "runs" / run_id / "bento") as url:
            rows += measure_pages(f"{url}/", work_dir / "service", [SERVICE], "samples.json")
    return rows


def run_cases(run_id: str, job_id: str) -> list[Case]:
    """Returns the benchmark cases for the pages of a finished run."""
    return [
        Case("studio, Live", f"#live/{job_id}", _shown(".stepper, .line.train"), MAX_CODE_BYTES),
        Case("studio, a run", f"#results/{run_id}", _shown(".cell.right"), MAX_CODE_BYTES),
        Case("report", f"runs/{run_id}/report.html", "document.readyState === 'complete'"),
    ]


def choose(url: str, photos: Path) -> int:
    """Chooses the photos in the studio; returns the new revision of the draft."""
    revision: int = ask(url, "api/draft")["revision"]
    changed: int = ask(url, "api/data/choose", {"uri": str(photos), "revision": revision})["revision"]
    return changed


def train(url: str, work_dir: Path) -> tuple[str, str]:
    """Trains a small network in the studio; returns the ids of the run and of its job."""
    revision = choose(url, make_photos(work_dir / "colors", per_class=60))
    ask(url, "api/draft", {"revision": revision, "set": RUN})
    job_id = ask(url, "api/jobs", {"kind": "run"})["id"]
    deadline = time.monotonic() + RUN_SECONDS
    while (job := ask(url, f"api/jobs/{job_id}"))["state"] in ("waiting", "running"):
        assert time.monotonic() < deadline, "the run must finish within RUN_SECONDS"
        time.sleep(0.5)
    assert job["state"] == "done", job
    return ask(url, "api/runs")["runs"][0]["run_id"], job_id


def measure_pages(url: str, folder: Path, cases: list[Case], line: str) -> list[Row]:
    """Measures some pages of a server; `line` is the path of the baseline, a line of JSON."""
    baseline = Case("a line of JSON", line, "document.readyState === 'complete'")
    visits: dict[Case, list[Visit]] = {case: [] for case in (baseline, *cases)}

    async def work(page: Page) -> None:
        await page.call("Network.setCacheDisabled", cacheDisabled=True)
        for number in range(NUM_VISITS + 1):
            for case, seen in visits.items():
                visit = await open_page(page, url, case)
                if number:  # the first visit warms up the server
                    seen.append(visit)

    folder.mkdir()
    browse(url, folder, work, ready="true", expected="favicon.ico")
    median = {case: median_visit(seen) for case, seen in visits.items()}
    return [row for case in cases for row in page_rows(case, median[case], median[baseline])]


async def open_page(page: Page, url: str, case: Case) -> Visit:
    """Opens a page in an empty tab, and returns the measurements of the visit."""
    await page.call("Page.navigate", url="about:blank")  # otherwise, a new #fragment would not load the page
    source = NOTE_READINESS.format(ready=case.ready)
    script = (await page.call("Page.addScriptToEvaluateOnNewDocument", source=source))["identifier"]
    page.events.clear()
    await page.call("Page.navigate", url=url + case.path)
    ready_ms = await page.until("window.readyMs")
    paint_ms = await page.until(FIRST_PAINT)
    await page.call("Page.removeScriptToEvaluateOnNewDocument", identifier=script)
    return Visit(paint_ms, ready_ms, code_bytes(page))


def code_bytes(page: Page) -> int:
    """Returns the bytes of code that the browser received for a page, compressed as sent, without headers."""
    responses = [event["params"] for event in page.events if event["method"] == "Network.responseReceived"]
    code = {params["requestId"] for params in responses if params["type"] in CODE}
    chunks = [event["params"] for event in page.events if event["method"] == "Network.dataReceived"]
    return sum(int(params["encodedDataLength"]) for params in chunks if params["requestId"] in code)


def median_visit(visits: list[Visit]) -> Visit:
    """Returns the median of each measurement."""
    return Visit(*(statistics.median(figures) for figures in zip(*map(astuple, visits), strict=True)))


def page_rows(case: Case, ours: Visit, baseline: Visit) -> list[Row]:
    """Returns the rows of the benchmark's table for one page."""
    rows = [
        Row(
            f"{claim}: {case.name}",
            f"{our_ms:.0f} ms",
            f"{baseline_ms:.0f} ms, a line of JSON",
            our_ms / baseline_ms,
            target,
        )
        for claim, our_ms, baseline_ms, target in (
            ("first paint", ours.paint_ms, baseline.paint_ms, "<= 4"),
            ("ready", ours.ready_ms, baseline.ready_ms, "<= 12"),
        )
    ]
    if case.max_code_bytes is not None:
        allowed = f"{case.max_code_bytes / 1000:.0f} kB allowed"
        ratio = ours.code_bytes / case.max_code_bytes
        rows.append(Row(f"code, compressed: {case.name}", f"{ours.code_bytes / 1000:.1f} kB", allowed, ratio, "<= 1"))
    return rows


def measure_tasks(url: str, folder: Path) -> Row:
    """Measures the longest task of the page's main thread while the grid is scrolled."""
    longest_ms: list[float] = []

    async def work(page: Page) -> None:
        await page.run("location.hash = '#data/photos'")
        await page.until(GRID.ready)
        for _ in range(NUM_TRACES):
            await page.run("document.querySelector('.photo-grid').scrollTop = 0")
            page.events.clear()
            longest_ms.append(max(await trace_tasks(page, SCROLL_GRID)))

    folder.mkdir()
    browse(url, folder, work, ready=READY)
    longest = max(longest_ms)
    return Row(
        claim=f"longest task while scrolling through {NUM_PHOTOS:,} photos, {NUM_TRACES} times",
        ours=f"{longest:.1f} ms of processor time",
        baseline=f"{LONGEST_TASK_MS} ms allowed",
        ratio=longest / LONGEST_TASK_MS,
        target="<= 1",
    )
