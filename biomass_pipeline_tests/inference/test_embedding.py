"""Any folder of photos becomes features once; what cannot be read is listed with its reason."""

from dataclasses import replace

import fsspec
import numpy as np
import pytest
from PIL import Image

from biomass_pipeline.config import Config, parse_config
from biomass_pipeline.errors import NoPhotosError, UnreachableLocationError
from biomass_pipeline.inference import embedding
from biomass_pipeline.inference.embedding import Workplace, embed_location, user_cache
from biomass_pipeline.isolation import Isolation
from biomass_pipeline_tests.inference.meadow import photo
from biomass_pipeline_tests.isolation import faults


@pytest.fixture
def embed(meadow, tmp_path):
    """Embed a location with a cache of its own."""

    def run(location, *, base=tmp_path, cache="cache"):
        place = Workplace(cache=tmp_path / cache, device="cpu", base=base)
        return embed_location(str(location), meadow.bundle, place=place)

    return run


def test_a_folder_a_photo_a_glob_and_a_url_give_the_same_rows(meadow, embed):
    whole = embed(meadow.photos)
    assert (whole.n_embedded, whole.n_reused) == (18, 0)
    one = embed(meadow.photos / "a" / "p04.png")
    assert one.features.image_ids == ("p04",)
    assert (
        one.features.features == whole.features.bag(whole.features.image_ids.index("a/p04"))
    ).all()
    some = embed(f"{meadow.photos}/a/*.png")
    assert some.features.image_ids == tuple(f"p{n:02d}" for n in range(0, 18, 2))
    files = fsspec.filesystem("memory")
    files.pipe("/meadow/p04.png", (meadow.photos / "a" / "p04.png").read_bytes())
    remote = embed("memory://meadow")
    assert remote.features.image_ids == ("p04",)
    assert (remote.features.features == one.features.features).all()
    files.rm("/meadow", recursive=True)


def test_what_is_in_the_cache_is_not_embedded_again(meadow, embed, monkeypatch):
    embed(meadow.photos)
    built = []
    monkeypatch.setattr(embedding.LaneBuilder, "__call__", lambda self: built.append(1))
    again = embed(meadow.photos)
    assert (again.n_embedded, again.n_reused, built) == (0, 18, [])
    part = embed(f"{meadow.photos}/b/*.png")
    assert (part.n_embedded, part.n_reused, built) == (0, 9, [])
    once_more = embed(meadow.photos)
    assert (once_more.n_embedded, once_more.n_reused, built) == (0, 18, [])


def test_content_not_names_decides_what_is_embedded(meadow, embed, tmp_path):
    embed(meadow.photos)
    moved = tmp_path / "moved"
    photo(moved / "same.png", green=20, blue=0)
    photo(moved / "other.png", green=21, blue=99)
    found = embed(moved)
    assert (found.n_embedded, found.n_reused) == (1, 1)


def test_unchanged_photos_are_not_decoded_again(meadow, embed, monkeypatch):
    embed(meadow.photos)
    monkeypatch.setattr(
        "biomass_pipeline.manifest.images.inspect_photo", lambda *_, **__: pytest.fail("decoded")
    )
    embed(meadow.photos)


def test_unreadable_photos_are_listed_and_the_others_embedded(embed, tmp_path):
    folder = tmp_path / "photos"
    good = photo(folder / "good.png", green=50)
    (folder / "empty.jpg").touch()
    (folder / "text.jpg").write_text("no photo")
    (folder / "half.png").write_bytes(good.read_bytes()[:-20])
    photo(folder / "good.jpeg", green=51)
    found = embed(folder)
    assert dict(found.unreadable) == {
        "empty.jpg": "empty file",
        "text.jpg": "not an image",
        "half.png": "truncated",
        "good.png": "duplicate id: also good.jpeg",
        "good.jpeg": "duplicate id: also good.png",
    }
    assert found.features.image_ids == ()


def test_photos_that_fail_in_the_engine_are_listed_too(meadow, embed, tmp_path, monkeypatch):
    folder = tmp_path / "photos"
    photo(folder / "a.png", green=50)
    photo(folder / "b.png", green=60)
    real = embedding.image_manifest

    def manifest_of_another_moment(*args, **kwargs):
        table = real(*args, **kwargs)
        photo(folder / "b.png", green=61)
        return table

    monkeypatch.setattr(embedding, "image_manifest", manifest_of_another_moment)
    found = embed(folder)
    assert found.features.image_ids == ("a",)
    assert found.unreadable == (("b.png", "changed since the manifest was made: run again"),)


def test_where_there_is_no_photo_that_is_said(embed, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").touch()
    with pytest.raises(NoPhotosError, match=r"empty: none of its files ends in \.jpg"):
        embed(tmp_path / "empty")
    with pytest.raises(NoPhotosError, match=r"nowhere: nothing is there"):
        embed(tmp_path / "nowhere")
    with pytest.raises(NoPhotosError, match=r"\*\.jpg: nothing is there"):
        embed(f"{tmp_path}/*.jpg")
    with pytest.raises(UnreachableLocationError, match="gopher"):
        embed("gopher://photos")


def test_a_photo_of_another_size_and_mode_is_one_too(embed, tmp_path):
    Image.new("L", (50, 40), 90).save(tmp_path / "grey.png")
    found = embed(tmp_path / "grey.png")
    assert len(found.features.coords) > 2
    assert np.isfinite(found.features.features).all()


def test_the_users_cache_is_where_the_system_has_it(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.platform", "linux")
    assert user_cache({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "biomass_pipeline"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_cache({}) == tmp_path / ".cache" / "biomass_pipeline"


def test_a_photo_that_kills_its_decoder_is_listed_and_the_others_embedded(meadow, tmp_path, embed):
    """The same rows as without processes, of all photos but one."""
    good = photo(tmp_path / "photos" / "good.png", green=50)
    fatal = photo(tmp_path / "photos" / "fatal.png", green=51)
    fatal.write_bytes(faults.marked(fatal.read_bytes(), faults.aborts))
    place = Workplace(
        cache=tmp_path / "apart",
        device="cpu",
        isolation=Isolation(limit_s=30, prepare=faults.treacherous),
    )
    found = embed_location(str(good.parent), meadow.bundle, place=place)
    assert found.unreadable == (("fatal.png", "the decoder crashed (signal 6)"),)
    assert (found.features.features == embed(good).features.features).all()
    # Nothing of the verdict is remembered: with a sound decoder the same bytes are a photo.
    again = embed_location(str(good.parent), meadow.bundle, place=replace(place, isolation=None))
    assert (again.unreadable, again.n_embedded, again.n_reused) == ((), 1, 1)


def test_the_configuration_decides_unless_the_place_does(tmp_path):
    asked = parse_config(
        {"compute": {"decode_processes": True, "decode_limit_s": 5}}, source="a test"
    )
    place, own = Workplace(cache=tmp_path), Isolation(limit_s=7)
    assert place.isolation_of(asked) == Isolation(limit_s=5)
    assert place.isolation_of(Config()) is None
    assert replace(place, isolation=own).isolation_of(asked) == own
