"""What formats of one JSON file an image have in common."""
