"""The pages that people read, and the fenced blocks in them."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
BESIDE = (
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"),
    *("docker/README.md", "data/README.md"),
)

_FENCE = re.compile(
    r"(?ms)^(?P<indent> *)(?:<!-- not run: (?P<reason>[^\n]*?) -->\n+ *)?```(?P<language>[^\n]*)\n"
    r"(?P<text>.*?)^ *```$"
)


@dataclass(frozen=True)
class Fence:
    """One fenced block.

    Attributes:
        page: The file, relative to the repository.
        line: Of its first line of text, from 1.
        language: What stands behind the backticks.
        text: What stands between them.
        reason: Why it is not run here; empty if it is.
    """

    page: str
    line: int
    language: str
    text: str
    reason: str

    @property
    def where(self):
        return f"{self.page}:{self.line}"

    @property
    def commands(self):
        """What a shell is told: every line, or those after a prompt where it prints as well."""
        joined = self.text.replace("\\\n", " ").splitlines()
        if self.language == "console":
            joined = [line[2:] for line in joined if line.startswith("$ ")]
        told = [line.split(" #")[0].strip() for line in joined if not line.startswith("#")]
        return [command for command in told if command]


def all_pages():
    """Every page, relative to the repository, in order."""
    found = sorted(path.relative_to(ROOT).as_posix() for path in DOCS.rglob("*.md"))
    return [*BESIDE, *found]


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


def fences_of(page, text=None):
    """The fenced blocks of a page, or of a text given in its place."""
    text = text_of(page) if text is None else text
    for found in _FENCE.finditer(text):
        line = text.count("\n", 0, found.start("text")) + 1
        inside = re.sub(rf"(?m)^{found['indent']}", "", found["text"])
        yield Fence(page, line, found["language"], inside, found["reason"] or "")


def all_fences():
    return [fence for page in all_pages() for fence in fences_of(page)]


def without_code(text):
    """A page without what stands in fences and between backticks."""
    return re.sub(r"`[^`]*`", "", _FENCE.sub("", text))


def named_on(page):
    """The words that a page has between backticks, outside of fences."""
    return set(
        re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", _FENCE.sub("", text_of(page)))))
    )
