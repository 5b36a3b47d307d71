"""Pure functions on frozen records: numpy, OpenCV and msgspec only, no Qt, no torch, no files but images."""
