"""Runs the pipeline in subprocesses, in Docker or on Kubeflow, and manages run folders. Import any module."""
