"""Hints while somebody labels: predictions for Label Studio, by its own protocol."""
