"""The comparison of storage measures what it says, on stores of a few bags."""

import importlib
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYOUTS = (
    *("HDF5, flat, contiguous (ours), mapped", "HDF5, a chunk a bag"),
    *("HDF5, a group an image, gzip", "HDF5, grown under SWMR", "`.npy` an image"),
    *("`.pt` an image", "WebDataset", "LMDB", "zarr, a chunk a bag", "Parquet, a row group a bag"),
    *("safetensors, a tensor a bag", "plain memory map"),
)
READERS = ("HDF5, flat, contiguous (ours), h5py", "HDF5, flat, contiguous (ours), loaded")


@pytest.fixture(scope="module")
def modules():
    """The scripts' own modules, which are found beside them as when they are run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        patch.syspath_prepend(str(ROOT / "scripts"))
        names = ("layouts", "storage_measures", "storage", "storage_table")
        yield {name: importlib.import_module(name) for name in names}
        for name in [n for n in sys.modules if n.partition(".")[0] in {*names, "verdicts"}]:
            patch.delitem(sys.modules, name)


@pytest.fixture(scope="module")
def by_name(modules):
    return {layout.name: layout for layout in modules["layouts"].LAYOUTS}


def test_every_layout_is_in_the_comparison(by_name):
    assert {*by_name} == {*LAYOUTS, *READERS}
    assert {name for name, each in by_name.items() if not each.written} == {*READERS}


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_what_was_written_and_appended_is_read_back(modules, by_name, tmp_path, name, dtype):
    bags, layout = modules["layouts"].Bags(3, 2, 8, dtype), by_name[name]
    told = []
    layout.write(tmp_path, bags, told.append)
    assert told == [0, 1, 2]
    twins = [by_name[reader] for reader in READERS] if "(ours)" in name else []
    for one in (layout, *twins):
        reader = one.open(tmp_path, bags)
        found = list(reader.run(range(3)))
        assert [bag.tobytes() for bag in found] == [bag.tobytes() for bag in bags]
        epoch = list(reader.shuffled([2, 0, 1]))
        reader.close()
        # Whatever their order, each bag comes once.
        assert sorted(bag.tobytes() for bag in epoch) == sorted(bag.tobytes() for bag in bags)
    assert modules["storage_measures"].appended(layout, tmp_path, bags) > 0


@pytest.mark.parametrize("name", ["plain memory map", "LMDB"])
def test_rates_are_of_bags_and_a_layout_without_random_reads_has_none(
    modules, by_name, tmp_path, name
):
    measures = modules["storage_measures"]
    bags, looking = modules["layouts"].Bags(4, 2, 8, "float16"), measures.Looking(0.01, False)  # noqa: FBT003
    assert measures.written(by_name[name], tmp_path, bags) > 0
    facts = measures.measured(by_name[name], tmp_path, bags, effort=looking)
    assert facts["inodes"] == 1
    assert facts["disk_mb"] * 1e6 >= bags.n_bytes
    assert min(facts[key] for key in facts if key.endswith("_per_s")) > 0


def test_a_killed_writer_of_ours_leaves_what_it_had_written(modules, by_name, tmp_path):
    found = modules["storage_measures"].killed(by_name[LAYOUTS[0]], tmp_path)
    assert found == {"told": 32, "intact": 32, "wrong": 0}


def test_what_is_read_wrong_after_a_kill_is_counted(modules, by_name, tmp_path):
    """Zarr reads zeros where nothing was written."""

    def stop(index):
        if index == 2:
            raise KeyboardInterrupt

    measures, layout = modules["storage_measures"], by_name["zarr, a chunk a bag"]
    with pytest.raises(KeyboardInterrupt):
        layout.write(tmp_path, measures.kill_bags(), stop)
    assert measures.left(layout, tmp_path, told=3) == {"intact": 3, "wrong": 61}


def test_the_table_has_a_dash_where_nothing_was_measured(modules):
    facts = {"inodes": 1, "write_mb_per_s": 123.456, "append_s": 0.001234, "metadata": "inside"}
    killed = {"WebDataset": {"told": 32, "intact": 31, "wrong": 0}}
    result = {"cases": {"6 bags": {"WebDataset": facts}}, "killed": killed}
    table = "\n".join(modules["storage_table"].tables(json.loads(json.dumps(result))))
    assert "| WebDataset | 1 | 123 | - | - | - | - | - | 1.23 |" in table
    assert "| WebDataset | 32 | 31 | 0 | inside |" in table
