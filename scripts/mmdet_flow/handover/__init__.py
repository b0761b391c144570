"""What a model is handed over with: its card, its package, and pages for the report."""
