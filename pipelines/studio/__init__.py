"""Darkroom in a browser: `darkroom studio`. Import `server`."""
