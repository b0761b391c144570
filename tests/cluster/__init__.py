"""The workflow on a Slurm of its own, and training in several processes."""
