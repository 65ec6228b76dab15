"""The training loop, its seeds and its states; it reads no case that the recipe does not name."""
