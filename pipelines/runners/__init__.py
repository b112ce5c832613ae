"""Where the pipeline runs: subprocesses, Docker, Kubeflow; and the folders of runs. Import any module."""
