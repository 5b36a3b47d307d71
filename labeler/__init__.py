"""Labeler: a person and models label images together, and every edit is measured."""

__version__ = "0.1.0"
