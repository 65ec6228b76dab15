"""Column names that more than one table has."""

PIXELS = "pixels_"
"""What the column of a class's size begins with; these columns are in label order."""
