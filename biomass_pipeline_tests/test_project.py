"""A project knows where things are, and reads its configuration again."""

from biomass_pipeline.project import Project


def test_relative_paths_start_at_the_configurations_folder(tmp_path):
    file = tmp_path / "biomass.yaml"
    file.write_text("name: farm", encoding="utf-8")
    project = Project.open(file, environment={})
    assert project.base == tmp_path
    assert project.layout.root == tmp_path / "data" / "farm"


def test_the_root_folder_can_be_named(tmp_path):
    file = tmp_path / "biomass.yaml"
    file.write_text("root: artefacts", encoding="utf-8")
    assert Project.open(file, environment={}).layout.root == tmp_path / "artefacts"


def test_without_a_file_paths_start_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BIOMASS_CONFIG", raising=False)
    assert Project.open(environment={}).base == tmp_path


def test_an_edited_file_is_seen_and_overrides_still_win(tmp_path):
    file = tmp_path / "biomass.yaml"
    file.write_text("training: {epochs: 1, seed: 1}", encoding="utf-8")
    project = Project.open(file, overrides=("training.seed=5",), environment={})
    file.write_text("training: {epochs: 2, seed: 2}", encoding="utf-8")
    assert project.config.training.epochs == 1
    again = project.reread().training
    assert (again.epochs, again.seed) == (2, 5)
