"""Tests of the command line, DVC and MLflow with real runs of the pipeline."""
