"""A page of what runs and what is done, by the files of a results folder alone."""
