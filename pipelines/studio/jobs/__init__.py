"""The commands that the studio runs as jobs, their queue and their state. Import any module."""
