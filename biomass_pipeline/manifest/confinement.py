"""Which files count as being in a folder: paths that lead out of it, and strangers' links."""

import errno
import os
from pathlib import Path, PurePosixPath

_ROOT_USER = 0


def check_inside(path: str) -> None:
    """Make sure that a path below a folder does not lead out of it by its letters.

    Raises:
        PermissionError: It does.
    """
    parts = path.replace("\\", "/").split("/")
    if ".." in parts or PurePosixPath(path).is_absolute() or "\0" in path:
        raise PermissionError(errno.EPERM, "its name leads out of the photo folder")


def check_links(root: Path, path: str) -> None:
    """Make sure that no link of somebody else makes us read what they could not.

    Links are followed, also to other disks. But whoever may put a photo into the folder may put a
    link there, to files that only the user of this process may read. So one that leads out of the
    folder has to be this user's or the administrator's own, or to lead to a file of its owner.

    Args:
        root: The folder.
        path: Below it.

    Raises:
        PermissionError: It is not so.
        OSError: A part of the path cannot be looked at.
    """
    target = os.path.realpath(root / path)
    if Path(target).is_relative_to(os.path.realpath(root)):
        return
    owner = os.stat(target).st_uid  # noqa: PTH116  # may be any file
    place = root
    for part in PurePosixPath(path).parts:
        place /= part
        if place.is_symlink() and not _trusted(place.lstat().st_uid, owner):
            reason = "a link of another user that leads out of the photo folder"
            raise PermissionError(errno.EPERM, reason)


def _trusted(link_owner: int, target_owner: int) -> bool:
    # Windows knows no owners by number: all are 0 there.
    return link_owner in {_ROOT_USER, target_owner} or link_owner == os.geteuid()
