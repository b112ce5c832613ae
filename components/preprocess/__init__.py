"""Prepares a data set from photos: lists, checks, splits and resizes them, and writes their pixels to shards."""
