"""Commands that the studio runs, their queue and their state. Import any module."""
