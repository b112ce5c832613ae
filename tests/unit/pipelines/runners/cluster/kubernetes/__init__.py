"""Tests of the checks by kubectl."""
