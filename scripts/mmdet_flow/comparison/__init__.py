"""Experiments side by side: the leaderboard of many, and what differs between two."""
