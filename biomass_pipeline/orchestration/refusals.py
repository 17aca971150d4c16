"""What the disk or Dagster's database refused, told from an error, and what to do about it."""

import errno
import os

from biomass_pipeline.errors import StorageRefusedError
from biomass_pipeline.orchestration.faults import causes, number_of

_NO_ROOM = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}
_NO_RIGHT = {errno.EACCES, errno.EPERM, errno.EROFS}
_BROKEN = {errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ENODEV, errno.ENXIO}
# SQLite has no numbers of the system, but these words.
_OF_SQLITE = {
    "database or disk is full": errno.ENOSPC,
    "disk I/O error": errno.EIO,
    "readonly database": errno.EROFS,
    "unable to open database file": errno.EACCES,
    "database is locked": errno.EBUSY,
    "malformed": errno.EBADMSG,
    "file is not a database": errno.EBADMSG,
}
_DAMAGED = (
    "Dagster's database is damaged: move the folder `dagster` out of the root folder (features and "
    "models stay, and are found again)"
)
_HELD = "Another program holds Dagster's database: wait until it lets go of it, or end it"
_REMEDIES = (
    (_NO_ROOM, "Free space on the disk of the root folder, or raise its limit"),
    (_NO_RIGHT, "Make the root folder writable for this user, or set another `root`"),
    (_BROKEN, "Check the disk, or the share, on which it lies"),
    ({errno.EBUSY}, _HELD),
    ({errno.EBADMSG}, _DAMAGED),
)


def refusal(error: BaseException, *, what: str) -> StorageRefusedError | None:
    """The sentence for an error that the disk or the database is behind; None for any other.

    Args:
        error: Whatever was raised.
        what: What came to nothing, such as "`report` failed".
    """
    for cause in causes(error):
        number = _number(cause)
        for numbers, remedy in _REMEDIES:
            if number in numbers:
                return StorageRefusedError(what, why=_words(cause, number), remedy=remedy)
    return None


def _number(error: BaseException) -> int:
    """The system's error number, or the one that SQLite's words stand for; 0 for neither."""
    if isinstance(error, OSError):
        return number_of(error) or 0
    if type(error).__name__ not in {"OperationalError", "DatabaseError"}:
        return 0
    words = str(error)
    return next((number for said, number in _OF_SQLITE.items() if said in words), 0)


def _words(error: BaseException, number: int) -> str:
    if not isinstance(error, OSError):
        # Without the statement, and the name of the error before it.
        return str(error).partition("\n")[0].rpartition(") ")[2]
    words = os.strerror(number).lower()
    return f"{words} ({error.filename})" if error.filename else words
