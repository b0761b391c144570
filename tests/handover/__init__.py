"""The model card, the package and the pages of a finished experiment."""
