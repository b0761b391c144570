"""Writers of predictions, one a file."""
