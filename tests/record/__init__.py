"""The record of a run, its RO-Crate, and its export to a tracker."""
