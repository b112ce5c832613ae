"""Helpers for the proof on a cluster: kubectl, images, the guide's commands, and the pipeline's tasks as Jobs."""
