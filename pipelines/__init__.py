"""The DAG, the ways to run it, and the command line."""
