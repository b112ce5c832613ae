"""Darkroom in a browser: `darkroom studio`.

A face over what stands: every job is a `darkroom` command that runs as a process of its own, so that the page's server
stays small, never imports TensorFlow, and can be restarted while a training goes on.
"""
