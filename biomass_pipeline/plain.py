"""Text from elsewhere as it may be shown: in Markdown it stays text, and of URLs no secret is left.

HTML is escaped by the templates of `reporting` themselves.
"""

import re
from typing import Any

# What would be markup within a line; `&` and `<` are entities, which no reader takes for HTML.
_MARKUP = re.compile(r"([\\|`*\[\]~])")
_ENTITIES = {"&": "&amp;", "<": "&lt;"}
# Of `scheme://user:password@host/path?query`.
_LOGIN = re.compile(r"(?<=://)[^/@\s]+(?=@)")
_QUERY = re.compile(r"(?<=\?)\S+")
_HIDDEN = "***"


def markdown_cell(text: object) -> str:
    r"""A name, or a cell of a table, as it may stand in Markdown: nothing in it is markup.

    >>> print(markdown_cell("a|b `c` [d](e)\n<f>"))
    a\|b \`c\` \[d\](e) &lt;f>
    """
    return _one_line(_MARKUP.sub(r"\\\1", str(text)))


def markdown_sentence(text: object) -> str:
    r"""A sentence of ours that holds names of others: it may show code, but no link and no picture.

    >>> print(markdown_sentence("`data.images`: ![a](b)\n[c]: d <e> f|g"))
    `data.images`: !\[a]\(b) \[c]: d &lt;e> f\|g
    """
    return _one_line(re.sub(r"([\\|\[]|(?<=\])\()", r"\\\1", str(text)))


def without_secrets(text: str) -> str:
    """A location without login and query, which may be keys.

    >>> without_secrets("sftp://me:secret@farm.example/photos?token=abc")
    'sftp://***@farm.example/photos?***'
    >>> without_secrets("photos/plot?.jpg")
    'photos/plot?.jpg'
    """
    if "://" not in text:
        return text
    return _QUERY.sub(_HIDDEN, _LOGIN.sub(_HIDDEN, text))


def all_without_secrets(value: Any) -> Any:  # noqa: ANN401  # whatever JSON can hold
    """The same of every text in a value that JSON can hold."""
    if isinstance(value, dict):
        return {key: all_without_secrets(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [all_without_secrets(each) for each in value]
    return without_secrets(value) if isinstance(value, str) else value


def counted(number: int, thing: str) -> str:
    """A number of things, in words of a person.

    >>> counted(1, "photo"), counted(0, "row")
    ('1 photo', '0 rows')
    """
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def in_short(error: Exception) -> str:
    """What an error of a library says, in a few words and one line.

    >>> in_short(OSError(28, "No space left on device"))
    'No space left on device'
    >>> in_short(KeyError("a"))
    "KeyError: 'a'"
    """
    if isinstance(error, MemoryError):
        return "not enough memory"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {error}".partition("\n")[0]


def _one_line(text: str) -> str:
    line = " ".join(text.splitlines()) if text else text
    return "".join(_ENTITIES.get(letter, letter) for letter in line)
