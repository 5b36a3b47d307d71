"""Property tests that give the same answer on every machine, however busy it is."""

from hypothesis import settings

settings.register_profile("labeler", deadline=None, derandomize=True)
settings.load_profile("labeler")
