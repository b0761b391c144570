"""Reading, checking, converting, splitting and making annotations."""
