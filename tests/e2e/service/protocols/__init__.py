"""Tests of protocols that other projects define, with those projects' own clients."""
