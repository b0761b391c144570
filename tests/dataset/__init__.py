"""Annotations read, checked, converted, divided and described."""
