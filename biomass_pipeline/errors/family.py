"""The one family that every error of the house belongs to."""


class BiomassError(Exception):
    """A mistake or a condition that a person can act on; its text is all they need to read."""

    exit_code = 1
