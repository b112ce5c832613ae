"""Runs the pipeline in subprocesses, in Docker or on Kubeflow; and the folders of runs. Import any module."""
