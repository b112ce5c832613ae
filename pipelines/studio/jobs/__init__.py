"""The commands that the studio runs as jobs, their queue and their state. All modules are public."""
