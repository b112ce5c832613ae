"""Measures a model: predictions, metrics, calibration, slices, robustness and latency. Import any module."""
