"""Prepares photos as a data set: lists, checks, splits, resizes and writes them once."""
