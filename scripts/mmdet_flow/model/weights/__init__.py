"""Weights to start from: what is published, what is kept here, and how it gets here."""
