"""The leaderboard, and two experiments compared image by image."""
