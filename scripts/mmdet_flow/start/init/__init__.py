"""A config for a folder of annotated images: what is there, and what suits it."""
