"""The verdict on a candidate, compared with the champion, and the leaderboard of compared models. Import any module."""
