"""Prepares photos as a data set: lists, checks, splits and resizes them, and writes them once."""
