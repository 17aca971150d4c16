"""What Kaggle's command line accepts: `kernel-metadata.json` and `dataset-metadata.json`.

The rules are those of `kernels_push` and `dataset_create_new` in Kaggle/kaggle-api
(`kaggle_api_extended.py`, 1.7) and of its `docs/kernels_metadata.md` and
`docs/datasets_metadata.md`; that a kernel's title may have 50 characters at most is told by the
server alone (Kaggle/kaggle-api, pull request 179). What the command line only warns of, a title
that does not give its slug, is refused here: the server would put the kernel elsewhere.
"""

import re
import unicodedata
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

KERNEL_FILE, DATASET_FILE = "kernel-metadata.json", "dataset-metadata.json"
# Of `docs/datasets_metadata.md`.
LICENCES = (
    "CC0-1.0",
    "CC-BY-4.0",
    "CC-BY-SA-4.0",
    "CC-BY-NC-4.0",
    "CC-BY-NC-SA-4.0",
    "apache-2.0",
    "copyright-authors",
    "other",
    "unknown",
)


def slug_of(title: str) -> str:
    """What Kaggle makes of a title.

    >>> slug_of("CSIRO Biomass: features")
    'csiro-biomass-features'
    """
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")


def title_of(slug: str) -> str:
    """A title that gives a slug.

    >>> title_of("csiro-biomass-features")
    'Csiro Biomass Features'
    """
    return " ".join(word.capitalize() for word in slug.split("-"))


def _is_slug(text: str) -> str:
    if not text or slug_of(text) != text:
        msg = f"{text!r} is no slug: lower-case letters, digits and single dashes between them"
        raise ValueError(msg)
    return text


def _is_reference(text: str) -> str:
    owner, dash, slug = text.partition("/")
    if not dash or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", owner):
        msg = f"expected OWNER/SLUG, with the owner as in a profile's address, found {text!r}"
        raise ValueError(msg)
    _is_slug(slug)
    return text


def _is_kernel(text: str) -> str:
    if len(_is_reference(text).partition("/")[2]) < _SHORTEST_KERNEL:
        msg = f"a kernel's slug has at least {_SHORTEST_KERNEL} characters, found {text!r}"
        raise ValueError(msg)
    return text


_SHORTEST_KERNEL = 5
_SHORTEST_DATASET, _LONGEST_DATASET = 6, 50

Slug = Annotated[str, AfterValidator(_is_slug)]
Reference = Annotated[str, AfterValidator(_is_reference)]
KernelReference = Annotated[str, AfterValidator(_is_kernel)]


class _Metadata(BaseModel):
    """A file beside what is uploaded; Kaggle passes over keys that it does not know, we do not."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(self.model_dump_json(indent=2, exclude_none=True) + "\n", encoding="utf-8")


class KernelMetadata(_Metadata):
    """`kernel-metadata.json`, for `kaggle kernels push -p FOLDER`."""

    id: KernelReference
    title: str = Field(min_length=5, max_length=50)
    code_file: str = Field(min_length=1)
    language: Literal["python", "r", "rmarkdown"] = "python"
    kernel_type: Literal["script", "notebook"] = "script"
    is_private: bool = True
    enable_gpu: bool = False
    enable_tpu: bool = False
    # Left out, the command line takes it for true, and a code competition refuses the kernel.
    enable_internet: bool
    dataset_sources: tuple[Reference, ...] = ()
    competition_sources: tuple[Slug, ...] = ()
    kernel_sources: tuple[KernelReference, ...] = ()
    model_sources: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _title_gives_the_slug(self) -> Self:
        slug = self.id.partition("/")[2]
        if slug_of(self.title) != slug:
            msg = f"the title {self.title!r} gives the slug {slug_of(self.title)}, not {slug}"
            raise ValueError(msg)
        return self


class Licence(_Metadata):
    """A dataset's licence, by one of Kaggle's names."""

    name: Literal[LICENCES]  # type: ignore[valid-type]  # the names are listed once, above


class DatasetMetadata(_Metadata):
    """`dataset-metadata.json`, for `kaggle datasets create -p FOLDER`."""

    id: Reference
    title: str = Field(min_length=_SHORTEST_DATASET, max_length=_LONGEST_DATASET)
    licenses: tuple[Licence, ...] = Field(min_length=1, max_length=1)
    subtitle: str | None = Field(default=None, min_length=20, max_length=80)
    description: str | None = None
    keywords: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _slug_has_a_length(self) -> Self:
        slug = self.id.partition("/")[2]
        if not _SHORTEST_DATASET <= len(slug) <= _LONGEST_DATASET:
            msg = (
                f"a dataset's slug has {_SHORTEST_DATASET} to {_LONGEST_DATASET} characters, "
                f"{slug} has {len(slug)}"
            )
            raise ValueError(msg)
        return self
