"""Checks a cluster with kubectl: why pods do not run, and whether volumes can be mounted. All modules are public."""
