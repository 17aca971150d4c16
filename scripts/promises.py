"""How a script holds the product to what it promises."""

import sys

SLACK = 0.01  # how far the default may fall behind the ridge


def promise(kept: bool, sentence: str) -> None:  # noqa: FBT001  # reads as an assertion
    """Print what holds, or stop."""
    print(("kept:   " if kept else "BROKEN: ") + sentence, flush=True)
    if not kept:
        sys.exit(1)


def r2_of(summary: dict) -> dict[str, float]:
    """Each model's global R2, to the digits that the order of a sum cannot change."""
    models = summary["metrics"]["models"]
    return {name: round(model["weighted_r2"], 9) for name, model in models.items()}
