"""Metrics, types of error, thresholds, and the pictures and pages of them."""
