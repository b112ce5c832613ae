"""Tests of the checks that use kubectl."""
