"""How training images are varied. All of it is off unless a recipe says otherwise."""

from typing import Annotated

from pydantic import Field, NonNegativeFloat

from segrepro.protocol._frozen import Frozen

Probability = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(ge=0, lt=1)]


class Augmentation(Frozen):
    """Each variation is drawn anew for each image; image and mask move together.

    Everything is drawn uniformly from minus to plus the number given, in the order of the fields.
    What is moved in from beyond the edge is 0, and background.
    """

    flip_rows: Probability = 0.0
    """Probability of top becoming bottom."""
    flip_columns: Probability = 0.0
    """Probability of left becoming right."""
    rotation_degrees: Annotated[float, Field(ge=0, le=180)] = 0.0
    shift: Share = 0.0
    """Share of the image's rows and, independently, of its columns."""
    zoom: Share = 0.0
    """Change of size around 1, the same along rows and columns."""
    brightness: NonNegativeFloat = 0.0
    """Added, in units of normalised intensity."""
    contrast: Share = 0.0
    """Change of the factor around 1 by which distances to the image's mean are multiplied."""
    noise: NonNegativeFloat = 0.0
    """Standard deviation of normal noise added to each pixel, in units of normalised intensity."""
