"""`doctor` says what is wrong and what to do, and goes on to look at the rest."""

import pytest


def states(ended):
    return {row["what"]: row["state"] for row in ended.json}


@pytest.mark.usefixtures("farm")
def test_a_healthy_project_is_all_ok(biomass):
    ended = biomass("doctor", "--json")
    assert ended.code == 0
    assert set(states(ended).values()) == {"ok"}
    assert "12 photos labelled with mass_g" in ended.out
    assert "dagster" in ended.out
    plain = biomass("doctor")
    assert plain.code == 0
    assert plain.out.startswith("biomass doctor")


@pytest.mark.parametrize(
    ("what", "field", "sentence"),
    [
        ("photos", "data.images=nope", "There is no photo folder at nope"),
        ("labels", "data.labels=nope.csv", "There is no label file"),
        ("device", "compute.device=banana", "`banana` cannot be used on this machine"),
        ("weights", "backbone.checkpoint=nope.pth", "no checkpoint of the backbone"),
    ],
)
@pytest.mark.usefixtures("farm")
def test_one_thing_wrong_fails_and_the_rest_is_looked_at(biomass, what, field, sentence):
    words = ("--set", field)
    if what == "weights":
        words += ("--set", "backbone.name=dinov2_vits14")
    ended = biomass("doctor", "--json", *words)
    assert ended.code == 1
    assert [name for name, state in states(ended).items() if state == "wrong"] == [what]
    assert sentence in ended.flat


def test_an_empty_folder_has_no_photos(biomass, farm):
    for path in (farm.folder / "photos").iterdir():
        path.unlink()
    assert states(biomass("doctor", "--json"))["photos"] == "wrong"


@pytest.mark.usefixtures("farm")
def test_a_broken_configuration_ends_it_there(biomass):
    ended = biomass("doctor", "--json", "--set", "trainin.epochs=1")
    assert ended.code == 1
    assert states(ended)["configuration"] == "wrong"
    assert "photos" not in states(ended)


def test_a_folder_without_configuration_is_wrong(biomass):
    ended = biomass("doctor")
    assert ended.code == 1
    assert "There is no configuration" in ended.flat


def test_label_warnings_are_shown(biomass, farm):
    header, *rows = (farm.folder / "labels.csv").read_text(encoding="utf-8").splitlines()
    parts = [
        f"{row},{float(row.rsplit(',', 1)[1]) - 1 - 0.1 * (i == 0)},1" for i, row in enumerate(rows)
    ]
    text = "\n".join([f"{header},a,b", *parts]) + "\n"
    (farm.folder / "labels.csv").write_text(text, encoding="utf-8")
    targets = "[{name: mass_g}, {name: a}, {name: b}]"
    words = ("--set", f"data.targets={targets}", "--set", "data.identities={mass_g: [a, b]}")
    ended = biomass("doctor", "--json", *words)
    assert ended.code == 0, ended.flat
    assert states(ended)["labels"] == "warning"
    assert "mass_g" in ended.json[-1]["found"]


@pytest.mark.usefixtures("farm")
def test_a_full_disk_is_a_warning(biomass, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1e9})())
    ended = biomass("doctor", "--json")
    assert ended.code == 0
    assert states(ended)["disk"] == "warning"
