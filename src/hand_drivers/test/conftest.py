"""Settings of the tests of this package."""

from hypothesis import settings

# A busy machine is no failure: the time an example takes is not what these tests are about.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
