"""Evaluates a model bundle: computes its figures and its verdict, and writes a report."""
