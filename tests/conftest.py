"""No test is timed: a busy machine fails none."""

from hypothesis import settings

settings.register_profile("segrepro", deadline=None)
settings.load_profile("segrepro")
