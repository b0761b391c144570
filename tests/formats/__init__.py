"""What is written of a prediction, a format at a time."""
