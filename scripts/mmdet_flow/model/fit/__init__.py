"""The places of a config that depend on data, machine and time."""
