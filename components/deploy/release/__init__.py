"""The MLflow registry and the rollout to Kubernetes. Import `registry` or `rollout`."""
