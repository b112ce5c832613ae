"""The DAG of the training pipeline, the runners that execute it, and the command line."""
