"""A campaign of random faults, counted: docs/reliability.md has its results."""
