"""Commands, each at the place that its words say; main.py has the table."""
