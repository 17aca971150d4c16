"""A script with cells (`# %%`) as a Jupyter notebook, for who would rather read one."""

import json
from typing import Any

_CELL = "# %%"


def as_notebook(script: str) -> str:
    """The same code in cells, as nbformat 4.5 (https://nbformat.readthedocs.io).

    Args:
        script: Its docstring becomes a cell of text, and each part below a line `# %%` a cell of
            code.
    """
    head, *parts = script.split(f"\n{_CELL}\n")
    cells = [_cell("markdown", 0, head.strip().strip('"').strip())]
    cells += [_cell("code", number, part.strip()) for number, part in enumerate(parts, start=1)]
    content = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(content, indent=1) + "\n"


def _cell(kind: str, number: int, text: str) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "cell_type": kind,
        "id": f"cell-{number}",
        "metadata": {},
        "source": text.splitlines(keepends=True),
    }
    return cell if kind == "markdown" else cell | {"execution_count": None, "outputs": []}
