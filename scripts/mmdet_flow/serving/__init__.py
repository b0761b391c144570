"""The Redis service."""
