"""What comes before the first run: mmdet_doctor and mmdet_init."""
