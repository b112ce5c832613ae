"""Tests of the Open Inference Protocol."""
