"""Probes pretrained networks on photos without a training run, for `darkroom model probe`."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from components.contract.params.resolve import Resolution
from pipelines.preparation import prepared

if TYPE_CHECKING:
    from components.contract.artifacts.probe import Probe


def probe_networks(
    data: str | None,
    params: Path | None,
    settings: Iterable[str],
    *,
    candidates: tuple[str, ...],
    show: Callable[[Resolution], None],
) -> "Probe":
    """Prepares the photos, and probes the candidates on them.

    Args:
        data: the address of the photos.
        params: the params file.
        settings: the params to change, each as `section.key=value`.
        candidates: backbones and files; empty for the candidates of the preset.
        show: called with the resolved params before the probe starts.
    """
    from components.contract.artifacts.dataset import read_info
    from components.train.probe.choose import settle_network
    from components.train.setup import open_photographs

    overrides = [*settings, "train.model.name=auto"]
    if candidates:
        overrides.append(f"train.model.candidates={json.dumps(candidates)}")
    with prepared(data, params, overrides, show) as (dataset_dir, train):
        info = read_info(dataset_dir)
        _, probe = settle_network(train, info, open_photographs(dataset_dir, info))
    assert probe is not None, "train.model.name is auto, so settle_network must return a probe"
    return probe
