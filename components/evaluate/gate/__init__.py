"""The verdict: candidate against champion, and the leaderboard of a comparison. Import any module."""
