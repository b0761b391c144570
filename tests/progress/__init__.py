"""What a person sees of a run: by events, files and terminals that are real."""
