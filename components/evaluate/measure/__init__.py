"""Figures of a model: predictions, metrics, calibration, robustness, label errors. Import `run` or a metric."""
