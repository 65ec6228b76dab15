"""Means, spreads and intervals over runs."""
