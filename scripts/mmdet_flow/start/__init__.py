"""Before the first run: is this machine ready, and what config suits the data."""
