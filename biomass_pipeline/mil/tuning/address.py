"""Where a database of studies is, as SQLAlchemy names it. Nothing heavy is loaded to say so."""

from pathlib import Path


def sqlite_url(file: Path) -> str:
    """The URL of a SQLite file, whatever characters are in its path."""
    from sqlalchemy import URL  # noqa: PLC0415  # half a second that few commands need

    return URL.create("sqlite", database=str(file.resolve())).render_as_string(hide_password=False)
