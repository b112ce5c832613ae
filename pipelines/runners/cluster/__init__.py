"""Compiles the pipeline for a cluster, places its tasks, submits it to a KFP server, and watches its runs."""
