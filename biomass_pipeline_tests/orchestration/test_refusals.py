"""What the disk or the database refuses is a sentence with the next step, whoever wraps it."""

import errno
import os
import sqlite3

import pytest
from sqlalchemy.exc import OperationalError

from biomass_pipeline.orchestration.refusals import refusal


def of_the_system(number):
    return OSError(number, os.strerror(number), "/farm/report.html")


def of_sqlite(words):
    return OperationalError("SELECT 1\nFROM runs", {}, sqlite3.OperationalError(words))


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (of_the_system(errno.ENOSPC), r"no space left on device .*report\.html\)\. Free space"),
        (of_the_system(errno.EDQUOT), r"quota exceeded .*\. Free space"),
        (of_the_system(errno.EROFS), r"read-only file system .*\. Make the root folder writable"),
        (of_the_system(errno.EIO), r"input/output error .*\. Check the disk"),
        (of_sqlite("database or disk is full"), r": database or disk is full\. Free space"),
        (of_sqlite("disk I/O error"), r": disk I/O error\. Check the disk"),
        (of_sqlite("attempt to write a readonly database"), "Make the root folder writable"),
        (of_sqlite("database is locked"), r": database is locked\. Another program holds"),
        (of_sqlite("database disk image is malformed"), "move the folder `dagster` out"),
    ],
)
def test_each_names_what_to_do(error, told):
    wrapped = RuntimeError()
    wrapped.__cause__ = error
    found = refusal(wrapped, what="`report` failed")
    assert str(found).startswith("`report` failed: ")
    assert "\n" not in str(found)
    assert "SELECT" not in str(found)
    with pytest.raises(type(found), match=f"{told}.*, then run `biomass run` again"):
        raise found


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no space left on device"),
        FileNotFoundError(errno.ENOENT, "No such file"),
        of_sqlite("no such column: x"),
    ],
)
def test_a_mistake_is_none(error):
    assert refusal(error, what="`report` failed") is None


def test_what_was_merely_handled_before_is_none():
    error = ValueError()
    error.__context__ = of_the_system(errno.ENOSPC)
    assert refusal(error, what="`report` failed") is None
