"""What the rules ask of Python; it imports no more than what Snakemake brings."""
