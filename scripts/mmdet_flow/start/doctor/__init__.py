"""What has to be right before anything runs: a module for each group of checks."""
