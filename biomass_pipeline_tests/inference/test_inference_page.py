"""What the page on inference shows is what happens."""

import re
import shutil
from pathlib import Path

import pytest

import biomass_pipeline

PAGE = Path(biomass_pipeline.__file__).parents[1] / "docs" / "inference.md"


@pytest.fixture(scope="module")
def section():
    text = PAGE.read_text(encoding="utf-8")
    return re.search(r"(?ms)^## From Python$(.*?)(?=^## |\Z)", text)[1]


@pytest.fixture
def names(section, meadow, exported, tmp_path, monkeypatch, capsys):
    """What the page's code leaves behind, run where `photos` and `bundle` are."""
    shutil.copytree(meadow.photos, tmp_path / "photos")
    (tmp_path / "photos" / "broken.jpg").touch()
    shutil.copytree(exported, tmp_path / "bundle")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = {}
    for code in re.findall(r"(?s)```python\n(.*?)```", section):
        exec(compile(code, str(PAGE), "exec"), found)  # noqa: S102  # our own page
    return found | {"printed": capsys.readouterr().out}


def test_the_code_of_the_page_runs(names):
    assert names["grams"].shape == (18, 4)
    assert names["printed"] == "broken.jpg empty file\n"


def test_every_column_stands_on_the_page(names, section):
    for name in names["table"].columns:
        shown = re.sub(r"_(50|80)$", "_50", name)
        assert f"`{shown}`" in section, name


def test_what_is_kept_goes_to_the_users_cache(names, tmp_path):
    assert list((tmp_path / "cache" / "biomass_pipeline" / "features").glob("*/inference.h5"))
