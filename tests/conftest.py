"""Settings of every test: property tests have no deadline, since the machine may be busy with other things."""

from hypothesis import settings

settings.register_profile("steelyard", settings(), deadline=None)
settings.load_profile("steelyard")
