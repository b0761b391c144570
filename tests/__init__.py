"""Tests of all: a folder for each of the package, and what is tested from outside.

``cluster/``, ``image/`` and ``storage/`` have a make target each, and so has
``faults/``, a campaign.
"""
