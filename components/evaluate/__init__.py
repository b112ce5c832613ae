"""Evaluates a model bundle: its figures, its report and its verdict."""
