import json
import sys
from types import SimpleNamespace

import pytest

from biomass_pipeline.reporting import DARK, LIGHT, vega
from biomass_pipeline.reporting.vega import as_script_json, chart_config, vega_library


@pytest.fixture
def bundler(monkeypatch, tmp_path):
    """A vl-convert that counts its bundles, and a cache folder of its own."""
    made = []
    fake = SimpleNamespace(javascript_bundle=lambda: made.append(1) or "var vegaEmbed;")
    monkeypatch.setitem(sys.modules, "vl_convert", fake)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    vega_library.cache_clear()
    yield made
    vega_library.cache_clear()


def test_the_library_is_bundled_once_and_then_kept(bundler):
    first = vega_library()
    vega_library.cache_clear()

    assert vega_library() == first == "var vegaEmbed;"
    assert len(bundler) == 1


def test_a_cache_folder_that_cannot_be_written_is_done_without(bundler, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))

    assert vega_library() == "var vegaEmbed;"


def test_another_version_is_bundled_anew(bundler, monkeypatch):
    vega_library()
    vega_library.cache_clear()
    monkeypatch.setattr(vega, "version", lambda name: "another")

    vega_library()

    assert len(bundler) == 2


def test_nothing_in_json_ends_the_script_that_holds_it():
    nasty = {"</script><b>": "<!-- \u2028"}

    text = as_script_json(nasty)

    assert "<" not in text
    assert json.loads(text) == nasty


def test_numbers_that_json_has_not_are_refused():
    with pytest.raises(ValueError, match="JSON"):
        as_script_json(float("nan"))


def test_each_theme_has_its_own_ink():
    inks = {chart_config(theme)["axis"]["labelColor"] for theme in (LIGHT, DARK)}

    assert inks == {LIGHT.ink, DARK.ink}
