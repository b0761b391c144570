"""Prediction of folders: engines, precision, the journal, the files."""
