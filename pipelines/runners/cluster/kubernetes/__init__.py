"""Checks of a cluster by kubectl: reasons of pods, and whether volumes can be mounted. Import any module."""
