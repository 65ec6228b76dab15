"""Published numbers, ours beside them, and verdicts."""
