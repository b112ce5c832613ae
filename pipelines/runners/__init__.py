"""Runs the pipeline in subprocesses, in containers or on Kubeflow, and manages run folders. All modules are public."""
