"""Weights and images to masks, and what a network costs."""
