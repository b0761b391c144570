"""What comes before the first run: mmdet-flow start doctor and start init."""
