"""The command line, DVC and MLflow on real runs of the pipeline."""
