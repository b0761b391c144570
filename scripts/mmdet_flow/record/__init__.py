"""What a run was made from, and how: its record, and the export to a tracker."""
