"""One file per data set: ``CARD``, ``SOURCES`` and ``iter_cases(raw)``."""
