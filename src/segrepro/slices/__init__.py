"""Cases in, arrays of one size out: what a network sees."""
