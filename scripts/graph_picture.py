"""Print docs/images/graph.svg: the assets of the real graph, where each is drawn by hand.

An edge is drawn only where no longer path says the same. A test compares the file with this.
"""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from dagster import AssetKey

from biomass_pipeline.orchestration import build_definitions
from biomass_pipeline.testing import write_tiny_survey

# Column and row of each asset; below the top row the flow turns back to the left.
PLACES = {
    "raw_images": (0, 0.0),
    "raw_labels": (0, 1.0),
    "image_manifest": (1, 0.5),
    "label_table": (2, 0.5),
    "fold_assignment": (3, 0.5),
    "patch_index": (4, 0.5),
    "inference_features": (1, 1.6),
    "predictions": (2, 1.6),
    "submission": (3, 1.6),
    "feature_cache": (4, 2.7),
    "mil_checkpoint": (3, 2.7),
    "ridge_baseline": (3, 3.5),
    "fold_predictions": (2, 3.1),
    "oof_predictions": (1, 3.1),
    "evaluation": (0, 3.1),
    "report": (0, 4.9),
    "training_config": (4, 4.5),
    "protocol_predictions": (3, 4.5),
    "protocols": (2, 4.5),
    "tuning_study": (3, 5.3),
    "tuning": (2, 5.3),
}
# Where an edge arrives when another one leaves from the nearer side.
ARRIVALS = {("mil_checkpoint", "predictions"): "low", ("ridge_baseline", "predictions"): "low"}
OPTIONAL = {"protocol_predictions", "protocols", "tuning_study", "tuning"}
COLOURS = {
    "sources": "#e8e6df",
    "door": "#dbe9d5",
    "extraction": "#f6e3b4",
    "learning": "#d3e3f1",
    "judgement": "#eadcee",
    "inference": "#f4d9cf",
    "validation": "#ffffff",
    "tuning": "#ffffff",
}
LEGEND = {
    "sources": "looked at",
    "door": "photos and labels",
    "extraction": "embed once",
    "learning": "train",
    "judgement": "judge",
    "inference": "photos without labels",
}
BOX_PX, PITCH_PX, MARGIN_PX, STACK_PX = (150, 34), (190, 66), 20, 4
INK, LINE = "#26301f", "#6d7668"
HEAD = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" \
aria-label="The graph of assets, from photos and labels to report and submission" \
font-family="system-ui, -apple-system, Segoe UI, sans-serif" font-size="13">
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" \
orient="auto"><path d="M0 0.8 L7.5 4 L0 7.2 z" fill="{line}"/></marker></defs>
<rect width="{width}" height="{height}" rx="10" fill="#fcfcfa"/>"""

Parents = Mapping[str, set[str]]
Point = tuple[float, float]


def graph() -> tuple[Parents, Mapping[str, str], set[str]]:
    """Every asset's parents, its group, and the assets that are partitioned."""
    with tempfile.TemporaryDirectory() as folder:
        definitions = build_definitions(write_tiny_survey(Path(folder)).project())
        assets = definitions.resolve_asset_graph()
    nodes = {key.to_user_string(): assets.get(key) for key in assets.get_all_asset_keys()}
    parents = {
        name: {key.to_user_string() for key in node.parent_keys} for name, node in nodes.items()
    }
    groups = {name: assets.get(AssetKey(name)).group_name or "" for name in nodes}
    return parents, groups, {name for name, node in nodes.items() if node.partitions_def}


def ancestors(name: str, parents: Parents) -> set[str]:
    """All that an asset is made of, however far away."""
    return parents[name].union(*(ancestors(parent, parents) for parent in parents[name]))


def edges(parents: Parents) -> Iterator[tuple[str, str]]:
    """The edges that no longer path says already, in a fixed order."""
    for name in sorted(parents):
        for parent in sorted(parents[name]):
            others = parents[name] - {parent}
            if not any(parent in ancestors(other, parents) for other in others):
                yield parent, name


def corner(name: str) -> Point:
    """The upper left corner of an asset's box."""
    column, row = PLACES[name]
    return MARGIN_PX + column * PITCH_PX[0], MARGIN_PX + row * PITCH_PX[1]


def port(name: str, side: str, *, stacked: bool) -> Point:
    """The middle of a side of an asset's box; `low` is the lower end of its right side."""
    x, y = corner(name)
    width, height = BOX_PX
    return {
        "left": (x, y + height / 2),
        "right": (x + width + (STACK_PX if stacked else 0), y + height / 2),
        "low": (x + width, y + height - 7),
        "top": (x + width / 2, y - (STACK_PX if stacked else 0)),
        "bottom": (x + width / 2, y + height),
    }[side]


def sides(start: str, end: str) -> tuple[str, str]:
    """Where an edge leaves and arrives."""
    if PLACES[start][0] == PLACES[end][0]:
        return "bottom", "top"
    leave, arrive = ("right", "left") if PLACES[start][0] < PLACES[end][0] else ("left", "right")
    return leave, ARRIVALS.get((start, end), arrive)


def drawn_edge(start: str, end: str, *, partitioned: set[str]) -> str:
    """A curve that leaves and arrives at right angles."""
    leave, arrive = sides(start, end)
    x0, y0 = port(start, leave, stacked=start in partitioned)
    x1, y1 = port(end, arrive, stacked=end in partitioned)
    step = {"left": (-1, 0), "right": (1, 0), "low": (1, 0), "top": (0, -1), "bottom": (0, 1)}
    reach = max(18.0, min(abs(x1 - x0), 60.0) / 2)
    (dx0, dy0), (dx1, dy1) = step[leave], step[arrive]
    bends = f"{x0 + dx0 * reach:g} {y0 + dy0 * reach:g} {x1 + dx1 * reach:g} {y1 + dy1 * reach:g}"
    dash = ' stroke-dasharray="4 3"' if {start, end} & OPTIONAL else ""
    return (
        f'<path d="M{x0:g} {y0:g} C{bends} {x1:g} {y1:g}" fill="none" stroke="{LINE}" '
        f'stroke-width="1.3"{dash} marker-end="url(#tip)"/>'
    )


def box(point: Point, text: str, *, fill: str, stacked: bool, dashed: bool) -> Iterator[str]:
    """An asset; a stack of two where it has a part a fold."""
    width, height = BOX_PX
    dash = ' stroke-dasharray="4 3"' if dashed else ""
    for shift in (STACK_PX, 0) if stacked else (0,):
        x, y = point[0] + shift, point[1] - shift
        yield (
            f'<rect x="{x:g}" y="{y:g}" width="{width}" height="{height}" rx="6" fill="{fill}" '
            f'stroke="{INK}" stroke-width="1"{dash}/>'
        )
    x, y = point[0] + width / 2, point[1] + height / 2 + 4.5
    yield f'<text x="{x:g}" y="{y:g}" text-anchor="middle" fill="{INK}">{text}</text>'


def legend(y: float) -> Iterator[str]:
    """What the colours and the stacks say, in one line."""
    x = float(MARGIN_PX)
    for group, words in LEGEND.items():
        yield f'<rect x="{x:g}" y="{y:g}" width="14" height="14" rx="3" fill="{COLOURS[group]}" '
        yield f'stroke="{INK}" stroke-width=".8"/>'
        yield f'<text x="{x + 20:g}" y="{y + 11.5:g}" fill="{INK}" font-size="12">{words}</text>'
        x += 36 + 6.2 * len(words)
    words = "stacked: a part a fold; dashed: on request"
    yield f'<text x="{x:g}" y="{y + 11.5:g}" fill="{INK}" font-size="12">{words}</text>'


def picture() -> str:
    """The whole file."""
    parents, groups, partitioned = graph()
    width = 2 * MARGIN_PX + 4 * PITCH_PX[0] + BOX_PX[0] + STACK_PX
    bottom = MARGIN_PX + max(row for _, row in PLACES.values()) * PITCH_PX[1] + BOX_PX[1]
    lines = [HEAD.format(width=width, height=round(bottom + 62), line=LINE)]
    lines += [drawn_edge(*edge, partitioned=partitioned) for edge in edges(parents)]
    for name in sorted(parents):
        lines += box(
            corner(name),
            name,
            fill=COLOURS[groups[name]],
            stacked=name in partitioned,
            dashed=name in OPTIONAL,
        )
    return "\n".join([*lines, *legend(bottom + 28), "</svg>", ""])


if __name__ == "__main__":
    print(picture(), end="")
