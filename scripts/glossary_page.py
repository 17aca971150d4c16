"""Print docs/glossary.md from the glossary, so that the page and `biomass explain` are one."""

from itertools import groupby

from biomass_pipeline.cli.explaining import facts
from biomass_pipeline.cli.glossary import Entry, glossary

HEAD = """# Glossary

What words mean here. The same as `biomass explain`; `biomass explain WORD` prints one of them."""


def paragraph(entry: Entry) -> str:
    """One word: its meaning, then what is known of it beside."""
    beside = "".join(f"\n- {label}: {text}" for label, text in facts(entry))
    return f"### {entry.word}\n\n{entry.meaning}\n{beside}\n"


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for topic, entries in groupby(glossary(), key=lambda entry: entry.topic):
        parts += [f"\n## {topic}\n", *map(paragraph, entries)]
    return "\n".join(parts)


if __name__ == "__main__":
    print(page(), end="")
