"""The workflow: what its rules ask of Python, and the rules themselves.

Modules of ``mmdet_flow/workflow`` run without Snakemake; rules are looked at by what a
dry run says of them. ``test_workflow.py`` runs all of them once; ``test_bundle.py`` and
``test_software.py`` are about where their software comes from.
"""
