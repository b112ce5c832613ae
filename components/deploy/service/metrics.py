"""The service's metrics, which Prometheus reads at GET /metrics.

BentoML's metrics are disabled: they keep a time series for every requested path, until the memory is full.
"""

import functools
import os
from typing import Final

SHARES: Final = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0)
SIZES: Final = (1, 2, 4, 8)


class Instruments:
    """Counters and histograms, created on first use."""

    def __init__(self) -> None:
        # Imported only in a worker: BentoML configures prometheus_client for multiple processes before it starts them.
        from prometheus_client import Counter, Histogram

        self.requests = Counter("darkroom_requests_total", "Requests, by path and status.", ["path", "status"])
        self.request_seconds = Histogram("darkroom_request_seconds", "Duration of requests.", ["path"], buckets=SECONDS)
        self.predictions = Counter("darkroom_predictions_total", "Photos classified, by class.", ["class_name"])
        self.abstentions = Counter("darkroom_abstentions_total", "Photos for which the model abstained.")
        self.unfamiliar_photos = Counter("darkroom_unfamiliar_total", "Photos unlike the training photos.")
        self.confidence = Histogram("darkroom_confidence", "Confidence of the answers.", buckets=SHARES)
        self.broken_photos = Counter(
            "darkroom_broken_photos_total", "Files that are not usable photos, by reason.", ["code"]
        )
        self.refused_requests = Counter("darkroom_refused_requests_total", "Refused requests, by reason.", ["code"])
        self.feedback = Counter("darkroom_feedback_total", "Labels reported for right and wrong answers.", ["answer"])
        self.clipped_photos = Counter(
            "darkroom_clipped_photos_total", "16-bit photos with values outside the pixel range."
        )
        self.batch_size = Histogram("darkroom_batch_size", "Photos per batch.", buckets=SIZES)
        self.decode_seconds = Histogram("darkroom_decode_seconds", "Processor time to decode a photo.", buckets=SECONDS)
        self.graph_seconds = Histogram("darkroom_graph_seconds", "Time to run the graph on a batch.", buckets=SECONDS)


@functools.cache
def instruments() -> Instruments:
    """The instruments of this process."""
    return Instruments()


def render_metrics() -> tuple[bytes, str]:
    """The metrics of all workers in Prometheus' format, and their content type."""
    from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest, multiprocess

    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry), CONTENT_TYPE_LATEST
