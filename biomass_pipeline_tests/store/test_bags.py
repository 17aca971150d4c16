"""Sets of bags in memory: their order and their joining."""

from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.store import FeatureSet, MemoryFeatures
from biomass_pipeline_tests.store.fold import fold_of, write

PHOTOS = [("a", "c3"), ("b", "c1"), ("c", "c2")]


@given(st.permutations(PHOTOS))
def test_content_order_forgets_the_order_of_names_and_folds(photos):
    written, _ = write(MemoryFeatures(), 0, fold_of(*photos))
    features = written.cache.load().in_content_order()
    assert features.image_sha256 == ("c1", "c2", "c3")
    assert features.image_ids == ("b", "c", "a")
    assert [features.bag(i)[0, 0] for i in range(3)] == [1, 2, 3]
    assert features.offsets.tolist() == [0, 2, 4, 6]


@given(st.integers(0, 3), st.integers(0, 3))
def test_a_part_holds_its_bags_and_no_others(start, stop):
    features = write(MemoryFeatures(), 0, fold_of(*PHOTOS, tiles=2))[0].cache.load()
    part = features.part(start, stop)
    assert part.image_ids == features.image_ids[start:stop]
    assert part.image_sha256 == features.image_sha256[start:stop]
    for found, index in enumerate(range(start, stop)):
        assert part.bag(found).tolist() == features.bag(index).tolist()
    assert len(part.features) == len(part.coords) == 2 * max(stop - start, 0)


def test_concatenation_keeps_every_bag():
    parts = [
        write(MemoryFeatures(), 0, fold_of(("a", "c1")))[0].cache.load(),
        write(MemoryFeatures(), 0, fold_of(("b", "c2"), ("c", "c3"), tiles=3))[0].cache.load(),
    ]
    joined = FeatureSet.concatenate(parts)
    assert joined.image_ids == ("a", "b", "c")
    assert joined.offsets.tolist() == [0, 2, 5, 8]
    assert joined.bag(2).tolist() == parts[1].bag(1).tolist()
