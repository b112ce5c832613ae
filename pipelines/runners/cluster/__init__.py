"""The pipeline on a cluster: compiled, placed, submitted to a KFP server and watched there."""
