"""Judges a candidate by comparing it with the champion, and ranks models on a leaderboard. Import any module."""
