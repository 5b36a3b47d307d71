"""Labeler: a person and models label images together, and every edit is measured."""

import os

__version__ = "0.1.0"

# From version 1.32 on, onnxruntime makes up a device id and reports to its maker when it is imported, unless
# this is set before (its Privacy.md). Children inherit it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
