"""Darkroom in a browser: `darkroom studio`. Other code imports only `server`."""
