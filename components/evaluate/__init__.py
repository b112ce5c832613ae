"""Evaluates a model bundle: computes its metrics and a verdict, and writes a report."""
