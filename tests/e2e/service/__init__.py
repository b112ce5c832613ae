"""Tests with a real BentoML server, deployed by the real step."""
