"""Which photo a label means: paths as people write them, matched to paths as they are."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import takewhile

from biomass_pipeline.manifest.folder import image_id

NO_PHOTO = -1


def pair(labels: Sequence[str], photos: Sequence[str]) -> tuple[list[int], dict[int, str]]:
    """Find the photo of each label.

    In this order: the same path, with or without leading folders that all labels share (whichever
    finds more); the only photo whose path ends with it; the same file name, where it is the only
    one among all photos and all labels. A label without a suffix means the photo of that
    `image_id`.

    Args:
        labels: Image paths of the label sheet.
        photos: Paths in the image folder.

    Returns:
        One position in `photos` a label, or `NO_PHOTO`; and a sentence for each label, by position,
        that cannot be told apart.
    """
    written = [_parts(label) for label in labels]
    shared = _shared([parts[:-1] for parts in written])
    exact = {image_id(photo): i for i, photo in reversed(list(enumerate(photos)))}
    exact |= {photo: i for i, photo in enumerate(photos)}
    names = _Names(written, photos)
    found: list[int] = []
    problems: dict[int, str] = {}
    for position, label in enumerate(_best_spelling(written, shared, exact)):
        match = exact.get(label, NO_PHOTO)
        if match == NO_PHOTO:
            match, problem = names.find(label)
            problems.update({position: problem} if problem else {})
        found.append(match)
    return found, {**problems, **_claimed_twice(found, labels, photos)}


class _Names:
    """Photos by file name, with and without suffix."""

    def __init__(self, labels: Sequence[list[str]], photos: Sequence[str]) -> None:
        self._photos = photos
        self._by_name: defaultdict[str, list[int]] = defaultdict(list)
        for i, photo in enumerate(photos):
            name = photo.rpartition("/")[2]
            for spelling in {name, image_id(name)}:
                self._by_name[spelling].append(i)
        self._labels = Counter(parts[-1] for parts in labels)

    def find(self, label: str) -> tuple[int, str]:
        """The photo whose path ends like the label, or why it cannot be told."""
        name = label.rpartition("/")[2]
        candidates = self._by_name.get(name, [])
        ending = [i for i in candidates if self._ends_like(self._photos[i], label)]
        if len(ending) > 1:
            listed = ", ".join(f"`{self._photos[i]}`" for i in ending[:3])
            return NO_PHOTO, f"`{label}` could be any of {len(ending)} photos: {listed}"
        if ending:
            return ending[0], ""
        alone = len(candidates) == 1 and self._labels[name] == 1
        return (candidates[0] if alone else NO_PHOTO), ""

    @staticmethod
    def _ends_like(photo: str, label: str) -> bool:
        return f"/{photo}".endswith(f"/{label}") or f"/{image_id(photo)}".endswith(f"/{label}")


def _claimed_twice(
    found: list[int], labels: Sequence[str], photos: Sequence[str]
) -> dict[int, str]:
    first: dict[int, int] = {}
    problems: dict[int, str] = {}
    for position, match in enumerate(found):
        if match == NO_PHOTO:
            continue
        other = first.setdefault(match, position)
        if other != position:
            both = f"`{labels[other]}` and `{labels[position]}`"
            problems[position] = f"{both} are both the photo `{photos[match]}`"
    return problems


def _shared(folders: list[list[str]]) -> int:
    """How many leading folders all labels have in common."""
    if not folders:
        return 0
    # What the first and last in order share, all between them share.
    pairs = zip(min(folders), max(folders), strict=False)
    return sum(1 for _ in takewhile(lambda two: two[0] == two[1], pairs))


def _best_spelling(labels: list[list[str]], shared: int, photos: Mapping[str, int]) -> list[str]:
    """The labels without as many shared folders as lets the most of them name a photo."""
    spellings = [["/".join(parts[depth:]) for parts in labels] for depth in range(shared + 1)]
    hits = [sum(text in photos for text in spelling) for spelling in spellings]
    return spellings[hits.index(max(hits)) if any(hits) else shared]


def _parts(label: str) -> list[str]:
    path = label.strip().replace("\\", "/")
    return [part for part in path.split("/") if part not in {"", "."}] or [""]
