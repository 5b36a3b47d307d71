"""labelme's JSON, one file a photo, and that of X-AnyLabeling, which is like it."""
