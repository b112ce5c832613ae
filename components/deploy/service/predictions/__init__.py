"""Prediction ids, the prediction log, and feedback. Import any module."""
