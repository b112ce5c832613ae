"""Registers models in MLflow, and rolls them out to Kubernetes. Import `registry` or `rollout`."""
