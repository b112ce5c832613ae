"""The DAG of the training pipeline, the ways to run it, and the command line."""
