"""Downloads of a model: its bento, and the formats of `darkroom model export`."""

import secrets
import zipfile
from pathlib import Path
from typing import Final

from components.contract.artifacts import exported_model
from pipelines.studio.jobs.job_folder import JobFolder
from pipelines.studio.jobs.queue import Queue
from pipelines.studio.playground import PACKAGE, bento_dir
from pipelines.studio.results import find_finished_run
from pipelines.studio.settings import StudioError

BENTO: Final = "bento"
FORMATS: Final[tuple[str, ...]] = (BENTO, *exported_model.FORMATS)


class Exports:
    """The exported models of a studio."""

    def __init__(self, folder: Path, queue: Queue):
        self._folder = folder
        self._queue = queue

    def states(self, model: str) -> dict[str, str]:
        """The state of each format: `ready`, the state of the export job, or `none` if there is no job."""
        states: dict[str, str] = {}
        for format_name in formats_of(model):
            job = self._job(model, format_name)
            is_ready = self._source(model, format_name).is_dir()
            states[format_name] = "ready" if is_ready else job.state if job is not None else "none"
        return states

    def start(self, model: str, format_name: str) -> JobFolder:
        """Starts the export of a model to a format, unless it is already in progress.

        Raises:
            ArtifactError: there is no such run.
            StudioError: the model cannot be exported to this format.
        """
        require_format(model, format_name)
        run = find_finished_run(model).name
        running = self._job(model, format_name)
        if running is not None and not running.is_over:
            return running
        output = self._source(model, format_name)
        command = ["model", "export", "--run", run, "--format", format_name, "--output", str(output), "--json"]
        about = {"model": model, "format": format_name}
        return self._queue.add("export", f"Export {run} as {format_name}", command, about=about)

    def pack(self, model: str, format_name: str) -> Path:
        """Packs the exported files of a model into a zip file.

        Raises:
            StudioError: the format is unknown, the model has not been exported to it, or the disk is full.
        """
        require_format(model, format_name)
        source = self._source(model, format_name)
        if not source.is_dir():
            raise StudioError(
                f"The model has not been exported as {format_name} yet. Export it, then download it.", 404
            )
        target = self._folder / "zips" / f"{model}-{format_name}.zip"
        if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
            return target
        partial = target.with_name(f".{secrets.token_hex(8)}.partial")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
                for path in sorted(path for path in source.rglob("*") if path.is_file()):
                    archive.write(path, Path(f"{model}-{format_name}") / path.relative_to(source))
            partial.replace(target)
        except OSError as error:
            raise StudioError(f"The zip file could not be written to {target.parent}: {error.strerror}.", 507) from None
        finally:
            partial.unlink(missing_ok=True)
        return target

    def _source(self, model: str, format_name: str) -> Path:
        if format_name == BENTO:
            return bento_dir(model) / "bento"
        return self._folder / find_finished_run(model).name / format_name

    def _job(self, model: str, format_name: str) -> JobFolder | None:
        about = {"model": model, "format": format_name}
        jobs = (job for job in self._queue.all() if job.job.kind == "export" and job.job.about == about)
        return next(jobs, None)


def formats_of(model: str) -> tuple[str, ...]:
    """The formats in which a model can be downloaded; a packaged pretrained network is available only as a bento."""
    return (BENTO,) if model.startswith(PACKAGE) else FORMATS


def require_format(model: str, format_name: str) -> None:
    """Checks that a model can be exported to a format.

    Raises:
        StudioError: the model cannot be exported to this format.
    """
    formats = formats_of(model)
    if format_name not in formats:
        raise StudioError(f"A format must be one of {', '.join(formats)}; found {format_name[:40]!r}.", 404)
