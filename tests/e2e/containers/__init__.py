"""Tests of container images and containers, skipped if no container engine is available."""
