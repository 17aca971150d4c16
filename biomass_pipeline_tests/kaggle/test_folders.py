"""The folders that are written: what is in each, and what Kaggle is told of it."""

import ast
import json

import pytest
import yaml

from biomass_pipeline.config import Config, parse_config
from biomass_pipeline.errors import (
    FileInTheWayError,
    KaggleNameError,
    MissingCacheError,
    MissingInputError,
    OccupiedFolderError,
)
from biomass_pipeline.kaggle.folders import (
    Account,
    Export,
    project_caches,
    script,
    write_folders,
)
from biomass_pipeline.kaggle.metadata import DatasetMetadata, KernelMetadata
from biomass_pipeline.layout import Layout
from biomass_pipeline_tests.kaggle.grass import CONFIG

ACCOUNT = Account("ann", "grass")


def constants(code):
    """What a script assigns at its top level, by name."""
    return {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(code).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
    }


def config_of(**sections):
    return parse_config(sections, source="the test")


def read(folder, name):
    return json.loads((folder / name).read_text())


def test_each_folder_has_what_one_command_pushes(tmp_path):
    folders = write_folders(Export(ACCOUNT, CONFIG), tmp_path)
    assert [folder.name for folder in folders] == ["wheel", "extract", "caches", "submit"]
    for part in ("extract", "submit"):
        kernel = KernelMetadata.model_validate(read(tmp_path / part, "kernel-metadata.json"))
        assert (tmp_path / part / kernel.code_file).is_file()
        assert (kernel.enable_gpu, kernel.enable_internet) == (True, False)
        assert kernel.competition_sources == ("csiro-biomass",)
        assert kernel.dataset_sources == ("ann/grass-wheel",)
    assert kernel.kernel_sources == ("ann/grass-features",)
    for part in ("wheel", "caches"):
        DatasetMetadata.model_validate(read(tmp_path / part, "dataset-metadata.json"))
    assert [path.suffix for path in (tmp_path / "wheel").iterdir()].count(".whl") == 1
    typed = (tmp_path / "README.md").read_text()
    for step in ("datasets create -p wheel", "kernels push -p extract", "kernels push -p submit"):
        assert f"kaggle {step}" in typed
    assert "-p caches" not in typed


def test_scripts_say_what_differs_from_the_defaults_and_nothing_of_this_machine():
    config = config_of(
        name="mine",
        root="/home/ann/data",
        data={
            "images": "/home/ann/photos",
            "labels": "/home/ann/train.csv",
            "group_columns": ["State"],
        },
        training={"epochs": 7},
        compute={"device": "cuda:1"},
    )
    found = constants(script(Export(ACCOUNT, config, limit_hours=9), "extract"))
    assert yaml.safe_load(found["SETTINGS"]) == {
        "data": {"group_columns": ["State"]},
        "training": {"epochs": 7},
    }
    assert found["LIMIT_HOURS"] == 9
    assert (
        yaml.safe_load(constants(script(Export(ACCOUNT, Config()), "submit"))["SETTINGS"]) is None
    )


@pytest.mark.parametrize("column", ['two "words"', "back\\slash", "Größe", "$dollar"])
def test_whatever_a_column_is_called_the_script_has_the_same_settings(column):
    config = config_of(data={"group_columns": [column]})
    found = constants(script(Export(ACCOUNT, config), "submit"))
    assert yaml.safe_load(found["SETTINGS"]) == {"data": {"group_columns": [column]}}


def test_a_network_without_weights_is_fetched_by_the_first_kernel_alone(tmp_path):
    export = Export(ACCOUNT, config_of(backbone={"name": "dinov2_vitl14_reg"}))
    assert export.extract_metadata().enable_internet
    assert not export.submit_metadata().enable_internet
    # They come with the first kernel's output, whatever brings the caches.
    for caches_from in ("kernel", "dataset"):
        export = Export(ACCOUNT, export.config, caches_from=caches_from)
        assert export.submit_metadata().kernel_sources == ("ann/grass-features",)


def test_an_attached_dataset_of_weights_needs_no_internet():
    config = config_of(backbone={"name": "dinov2_vitl14_reg", "checkpoint": "/w/vit.pth"})
    export = Export(ACCOUNT, config, weights_dataset="meta/dinov2")
    for kernel in (export.extract_metadata(), export.submit_metadata()):
        assert kernel.dataset_sources == ("ann/grass-wheel", "meta/dinov2")
        assert not kernel.enable_internet
    found = constants(script(export, "submit"))
    assert yaml.safe_load(found["SETTINGS"])["backbone"]["checkpoint"] == "vit.pth"


def test_weights_of_a_file_become_a_dataset_of_the_export(tmp_path):
    config = config_of(backbone={"name": "dinov2_vitl14_reg", "checkpoint": "vit.pth"})
    with pytest.raises(MissingInputError, match="file of weights"):
        write_folders(Export(ACCOUNT, config, base=tmp_path), tmp_path / "out")
    (tmp_path / "vit.pth").write_bytes(b"weights")
    folders = write_folders(Export(ACCOUNT, config, base=tmp_path), tmp_path / "out", force=True)
    assert "weights" in [folder.name for folder in folders]
    assert (tmp_path / "out" / "weights" / "vit.pth").read_bytes() == b"weights"
    kernel = read(tmp_path / "out" / "extract", "kernel-metadata.json")
    assert kernel["dataset_sources"] == ["ann/grass-wheel", "ann/grass-weights"]
    assert "kaggle datasets create -p weights" in (tmp_path / "out" / "README.md").read_text()


def test_a_dataset_of_caches_takes_the_place_of_the_first_kernels_output(tmp_path):
    export = Export(ACCOUNT, CONFIG, caches_from="dataset")
    write_folders(export, tmp_path)
    kernel = export.submit_metadata()
    assert kernel.dataset_sources == ("ann/grass-wheel", "ann/grass-caches")
    assert kernel.kernel_sources == ()
    typed = (tmp_path / "README.md").read_text()
    assert typed.index("kernels output") < typed.index("create -p caches")
    assert constants(script(export, "submit"))["OTHER_VERSIONS"] is False


def test_a_projects_own_caches_are_carried_and_taken_though_versions_differ(tmp_path):
    cache = tmp_path / "fold_0.h5"
    cache.write_bytes(b"features")
    export = Export(ACCOUNT, CONFIG, caches_from="project", caches=(cache,))
    write_folders(export, tmp_path / "out")
    assert (tmp_path / "out" / "caches" / "fold_0.h5").read_bytes() == b"features"
    assert constants(script(export, "submit"))["OTHER_VERSIONS"] is True
    assert "push -p extract" not in (tmp_path / "out" / "README.md").read_text()


def test_a_project_without_caches_has_none_to_carry(tmp_path):
    with pytest.raises(MissingCacheError, match="features"):
        project_caches(CONFIG, layout=Layout(tmp_path), base=tmp_path)


def test_notebooks_take_the_place_of_scripts(tmp_path):
    write_folders(Export(ACCOUNT, CONFIG, notebooks=True), tmp_path)
    for part in ("extract", "submit"):
        kernel = read(tmp_path / part, "kernel-metadata.json")
        assert (kernel["kernel_type"], kernel["code_file"]) == ("notebook", "notebook.ipynb")
        assert read(tmp_path / part, "notebook.ipynb")["nbformat"] == 4
        assert not (tmp_path / part / "script.py").exists()


@pytest.mark.parametrize(
    ("account", "told"),
    [
        (Account("ann", "Grass of 2026"), "is no slug"),
        (Account("ann", "g" * 45), "at most 50"),
        (Account("", "grass"), "expected OWNER/SLUG"),
        (Account("A!", "grass"), "owner as in a profile's address"),
    ],
)
def test_names_that_kaggle_would_refuse_are_refused_before_anything_is_written(
    tmp_path, account, told
):
    with pytest.raises(KaggleNameError, match=told):
        write_folders(Export(account, CONFIG), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_export_in_the_way_is_only_written_over_by_force(tmp_path):
    write_folders(Export(ACCOUNT, CONFIG), tmp_path)
    with pytest.raises(FileInTheWayError, match="--force"):
        write_folders(Export(ACCOUNT, CONFIG), tmp_path)
    write_folders(Export(ACCOUNT, CONFIG), tmp_path, force=True)


@pytest.mark.parametrize("force", [True, False])
def test_what_is_no_export_is_never_written_over(tmp_path, force):
    (tmp_path / "labels.csv").write_text("image_path,mass_g")
    with pytest.raises(OccupiedFolderError, match=r"labels\.csv, which is no export for Kaggle"):
        write_folders(Export(ACCOUNT, CONFIG), tmp_path, force=force)
    assert [path.name for path in tmp_path.iterdir()] == ["labels.csv"]
