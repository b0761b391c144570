"""Data and results on an S3 server of the tests' own."""
