"""The Redis service over both fronts, and its tools, on real servers."""
