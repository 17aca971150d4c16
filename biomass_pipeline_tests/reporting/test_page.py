import base64
import hashlib
import io
import json
import re
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from biomass_pipeline.config import (
    AutomationConfig,
    BackboneConfig,
    Config,
    DataConfig,
    EvaluationConfig,
    NotifyConfig,
    TargetConfig,
)
from biomass_pipeline.evaluation import Selection, evaluate
from biomass_pipeline.reporting import (
    Album,
    ReportInputs,
    explorer,
    make_report,
    package_versions,
    render_report,
    sections,
)
from biomass_pipeline.reporting.table import MAX_ROWS

VOID = {"meta", "img", "source", "br", "hr", "link", "input", "wbr", "col"}
NASTY = "<script>alert('x')</script>&\"{{ 7*7 }}"

FRACTION = Config(
    name="cover",
    data=DataConfig(
        targets=(TargetConfig(name="wheat_fraction", unit="fraction"),),
        identities={},
        group_columns=("date",),
        date_column="date",
    ),
)


class Page(HTMLParser):
    """A page taken apart: it insists that each tag is closed in its turn."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.text, self.problems = [], [], "", []
        self.feed(text)
        self.close()
        self.problems += [f"<{tag}> is never closed" for tag in self.open]

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), "/".join(self.open)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> at {self.getpos()} closes nothing")

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data

    def all(self, tag):
        return [attributes for name, attributes, _ in self.elements if name == tag]


def predictions(config, *, n=40, mil=0.1, ridge=0.3):
    """Photos of eight sessions in two states; each model is off by its own share."""
    rng = np.random.default_rng(3)
    parts = rng.uniform(1, 50, (n, len(config.data.components)))
    truth = parts @ np.array(config.data.component_matrix()).T
    session = np.arange(n) % 8
    tables = []
    for model, error in (("mil", mil), ("ridge", ridge), ("constant", None)):
        for column, target in enumerate(config.data.targets):
            true = truth[:, column]
            noise = rng.standard_normal(n)
            pred = np.full(n, true.mean()) if error is None else true * (1 + error * noise)
            table = pd.DataFrame(
                {
                    "image_id": [f"photo_{i}" for i in range(n)],
                    "fold": session % 4,
                    "group": [group_of(config, k) for k in session],
                    "target": target.name,
                    "y_true": true,
                    "y_pred": pred,
                    "y_lower": np.maximum(pred - 20, 0),
                    "y_upper": pred + 20,
                    "model": model,
                    "y_lower_50": np.maximum(pred - 5, 0),
                    "y_upper_50": pred + 5,
                    "y_lower_80": np.maximum(pred - 12, 0),
                    "y_upper_80": pred + 12,
                    "p_zero": 0.1,
                    "crps": np.abs(pred - true) / 2,
                    "pit": rng.random(n),
                    "ood_percentile": rng.uniform(0, 100, n),
                }
            )
            tables.append(table)
    return pd.concat(tables, ignore_index=True)


def parts_of(config, session):
    values = [f"S{session % 2}", f"2015-09-{session + 1:02d}"]
    columns = config.data.group_columns
    return dict(zip(columns, values[-len(columns) :], strict=True))


def group_of(config, session):
    return "|".join(f"{name}={value}" for name, value in parts_of(config, session).items())


def labels_of(config, oof):
    """The group columns of the photos that were predicted."""
    photos = oof.drop_duplicates("image_id")[["image_id", "group"]]
    columns = {
        name: [group.split("|")[position].split("=")[1] for group in photos["group"]]
        for position, name in enumerate(config.data.group_columns)
    }
    return photos.assign(**columns)


def manifest(n=40, *, unlabelled=0, quarantined=()):
    good = [(f"photo_{i}.jpg", "ok", "", "", i >= unlabelled) for i in range(n)]
    bad = [(path, "quarantined", reason, "", True) for path, reason in quarantined]
    columns = ["path", "status", "reason", "warning", "labelled"]
    return pd.DataFrame([*good, *bad], columns=columns)


def inputs(config=None, **changes):
    """A report's inputs, scored for real; with the CSIRO targets unless a configuration is given.

    The predictions' errors can be set by `mil` and `ridge`.
    """
    config = config or Config()
    errors = {key: changes.pop(key) for key in ("mil", "ridge") if key in changes}
    oof = predictions(config, **errors)
    if "reshape" in changes:
        oof = changes.pop("reshape")(oof)
    judging = EvaluationConfig(n_resamples=100)
    found = evaluate(
        oof,
        labels_of(config, oof),
        data=config.data,
        evaluation=judging,
        selection=changes.pop("selection", None),
    )
    return replace(
        ReportInputs(
            config=config,
            oof=oof,
            metrics=found.metrics,
            manifest=manifest(),
            label_warnings=(),
            fingerprints={"extraction": "0123456789abcdef"},
            versions=package_versions(),
        ),
        **changes,
    )


def dot(*_, **__):
    """A figure of one pixel, for tests that look at words only."""
    png = io.BytesIO()
    Image.new("RGB", (1, 1)).save(png, format="PNG")
    return png.getvalue()


FIGURES = (
    "predicted_against_measured",
    "calibration_figure",
    "pit_figure",
    "protocol_figure",
    "learning_curve_figure",
    "tuning_figure",
)


@pytest.fixture
def undrawn(monkeypatch):
    for figure in FIGURES:
        monkeypatch.setattr(sections, figure, dot)


@pytest.fixture(scope="module")
def csiro():
    with pytest.MonkeyPatch.context() as patch:
        for figure in FIGURES:
            patch.setattr(sections, figure, dot)
        return render_report(inputs())


@pytest.fixture(scope="module")
def fraction():
    return render_report(inputs(FRACTION))


@pytest.fixture(params=["csiro", "fraction"])
def report(request):
    return request.getfixturevalue(request.param)


def test_every_tag_is_closed_in_its_turn(report):
    assert Page(report).problems == []


def test_the_parser_of_these_tests_sees_an_unclosed_tag():
    assert Page("<div><p></div>").problems
    assert Page("<div>").problems


def test_the_page_is_one_file_that_loads_and_runs_nothing(report):
    page = Page(report)

    sources = [img["src"] for img in page.all("img")]
    sources += [source["srcset"] for source in page.all("source")]
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert not [tag for tag, _, _ in page.elements if tag in {"script", "link", "iframe"}]
    assert "http://" not in report
    assert "https://" not in report
    assert "url(" not in report


def test_the_page_is_accessible(report):
    page = Page(report)

    assert page.all("html") == [{"lang": "en"}]
    headings = [int(tag[1]) for tag, _, _ in page.elements if tag in {"h1", "h2", "h3"}]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(headings))
    assert len(page.all("caption")) == len(page.all("table")) > 0
    assert all(th["scope"] in {"col", "row", "rowgroup"} for th in page.all("th"))
    assert all(len(img["alt"]) > 20 for img in page.all("img"))
    ids = [attributes["id"] for _, attributes, _ in page.elements if "id" in attributes]
    named = [section["aria-labelledby"] for section in page.all("section")]
    assert len(set(ids)) == len(ids)
    assert set(named) <= set(ids)


def test_every_line_of_a_table_has_as_many_cells_as_the_table_has_columns(report):
    for table in report.split("<table")[1:]:
        page = Page("<table" + table.split("</table>")[0] + "</table>")
        columns = sum(th["scope"] == "col" for th in page.all("th"))
        taken, lines = [0] * 1000, table.split("<tbody>")[1].split("<tr")[1:]
        for number, line in enumerate(lines):
            cells = Page("<tr" + line.split("</tr>")[0] + "</tr>")
            for head in cells.all("th"):
                for below in range(int(head.get("rowspan", 1))):
                    taken[number + below] += 1
            taken[number] += len(cells.all("td"))
            assert taken[number] == columns


def test_the_figures_are_those_of_network_and_ridge(fraction):
    images = Page(fraction).all("img")

    assert len(images) == 4
    assert "coverage" in images[2]["alt"]
    assert "Histograms" in images[3]["alt"]
    assert ["MIL network" in images[0]["alt"], "Ridge" in images[1]["alt"]] == [True, True]
    for image in images:
        with Image.open(io.BytesIO(base64.b64decode(image["src"].split(",")[1]))) as png:
            assert png.size == (int(image["width"]), int(image["height"]))


def test_the_page_stays_small(fraction):
    assert len(fraction.encode()) < 500_000


@pytest.mark.usefixtures("undrawn")
def test_the_same_inputs_give_the_same_page(csiro):
    assert render_report(inputs()) == csiro


def test_grams_are_shown_per_hectare_and_fractions_are_not(csiro, fraction):
    assert "kg\u00a0DM/ha" in csiro
    assert "DM/ha" not in fraction
    assert "wheat_fraction (fraction)" in fraction
    assert "biomass" not in Page(fraction).text.replace("biomass-pipeline", "").replace(
        "biomass_pipeline", ""
    )


def test_the_score_table_holds_what_the_evaluation_found(csiro):
    text = Page(csiro).text

    for name in ("Constant floor", "Ridge baseline", "MIL network"):
        assert name in text
    for target in Config().data.target_names:
        assert f"{target} (g)" in text


def test_folds_groups_and_intervals_have_their_tables(csiro):
    text = Page(csiro).text

    assert "By fold" in text
    assert "By State" in text
    assert "By Sampling_Date" in text
    assert "Prediction intervals" in text
    assert "90\u00a0%" in text


@pytest.mark.usefixtures("undrawn")
def test_a_network_that_loses_to_the_ridge_is_said_to_lose():
    text = Page(render_report(inputs(FRACTION, mil=0.5, ridge=0.01))).text

    assert "The network does not beat the ridge baseline" in text


def test_a_clean_folder_is_said_to_be_clean(csiro):
    text = Page(csiro).text

    assert "Nothing is quarantined" in text
    assert "All 40 readable photos have labels" in text
    assert "gave no reason for a warning" in text


@pytest.mark.usefixtures("undrawn")
def test_what_was_not_used_is_shown_with_its_reason():
    text = Page(
        render_report(
            inputs(
                FRACTION,
                manifest=manifest(unlabelled=3, quarantined=[("bad/x.jpg", "truncated")]),
                label_warnings=["line 7: the sum is off by 0.31"],
            )
        )
    ).text

    assert "bad/x.jpg" in text
    assert "truncated" in text
    assert "3 of 40 readable photos have no label" in text
    assert "line 7: the sum is off by 0.31" in text
    assert "Nothing is quarantined" not in text


@pytest.mark.usefixtures("undrawn")
def test_photos_with_a_warning_and_very_many_label_warnings_are_listed():
    photos = manifest()
    photos.loc[0, "warning"] = "alpha flattened on white"
    many = [f"line {k}: odd" for k in range(MAX_ROWS + 5)]

    page = render_report(inputs(FRACTION, manifest=photos, label_warnings=many))

    text = Page(page).text
    assert "alpha flattened on white" in text
    assert f"Warnings on labels ({MAX_ROWS + 5})" in text
    assert "5 more are not shown here" in text
    assert Page(page).problems == []


@pytest.mark.usefixtures("undrawn")
def test_whatever_a_name_holds_stays_text():
    page = render_report(
        inputs(
            FRACTION.model_copy(update={"backbone": BackboneConfig(name=NASTY)}),
            manifest=manifest(quarantined=[(f"{NASTY}.jpg", NASTY)]),
            label_warnings=[NASTY],
            fingerprints={NASTY: NASTY},
            versions={NASTY: NASTY},
            notes=[NASTY],
        )
    )

    parsed = Page(page)
    assert "<script" not in page
    assert parsed.problems == []
    assert parsed.all("script") == []
    assert parsed.text.count(NASTY) >= 9


@pytest.mark.usefixtures("undrawn")
def test_a_target_or_group_with_markup_in_its_name_stays_text():
    data = DataConfig(
        targets=(TargetConfig(name="<b>x</b>"),), identities={}, group_columns=("<i>",)
    )
    page = render_report(inputs(Config(data=data)))

    assert "<b>" not in page
    assert "<i>" not in page
    assert "<b>x</b> (g)" in Page(page).text


@pytest.mark.usefixtures("undrawn")
def test_a_file_name_that_is_no_text_can_still_be_written():
    path = b"plot\xe9.jpg".decode("utf-8", "surrogateescape")

    page = render_report(inputs(FRACTION, label_warnings=[f"{path} is odd"]))

    assert "plot\\udce9.jpg" in page
    assert page.encode("utf-8")


@pytest.mark.usefixtures("undrawn")
def test_no_secret_of_the_configuration_is_on_the_page():
    settings = {
        "data": FRACTION.data.model_copy(update={"images": "sftp://me:pa55@farm.example/photos"}),
        "automation": AutomationConfig(notify=NotifyConfig(webhook="https://farm.example/pa55")),
    }
    found = make_report(inputs(FRACTION.model_copy(update=settings)))

    assert "pa55" not in found.page
    assert not [name for name, content in found.beside().items() if b"pa55" in content]
    assert "sftp://***@farm.example/photos" in found.page
    assert "webhook: &#39;***&#39;" in found.page


@pytest.mark.usefixtures("undrawn")
def test_markdown_holds_names_as_text_too():
    link, picture = "[a](https://farm.example/seen)", "![b](https://farm.example/seen.png)"
    quarantined = [(f"{link}|`x`.jpg", picture)]
    found = make_report(
        inputs(
            FRACTION,
            manifest=manifest(quarantined=quarantined),
            label_warnings=[f"{picture}\n# {link}"],
            notes=[f"{NASTY} {link}"],
        )
    )

    text = found.texts["report.md"]
    assert not re.search(r"(?<!\\)\]\(https", text)
    assert "<script" not in text
    assert "\n# [" not in text
    assert "| \\[a\\](https://farm.example/seen)\\|\\`x\\`.jpg |" in text


@pytest.mark.usefixtures("undrawn")
def test_notes_come_before_the_scores():
    page = render_report(inputs(FRACTION, notes=["RANDOM WEIGHTS: for tests only."]))

    assert page.index("RANDOM WEIGHTS") < page.index('id="scores"')


def test_the_configuration_can_be_read_back_from_the_page(report):
    config = FRACTION if "cover" in report[:2000] else Config()
    text = Page(report).text

    start = text.index("name: ")
    shown = yaml.safe_load(text[start : text.index("Versions")])

    assert Config.model_validate(shown) == config


def test_versions_and_fingerprints_are_on_the_page(report):
    text = Page(report).text

    assert "0123456789abcdef" in text
    assert all(version in text for version in package_versions().values())


@pytest.mark.usefixtures("undrawn")
def test_without_fingerprints_there_is_no_empty_table():
    assert "Fingerprints" not in Page(render_report(inputs(FRACTION, fingerprints={}))).text


PROTOCOLS = {
    "protocols": {
        "group-k-fold-5": {
            "kind": "grouped",
            "optimistic": False,
            "n_repeats": 2,
            "n_images": 40,
            "missing": ["group-k-fold-5-seed-2"],
            "remarks": [],
            "models": {"mil": {"weighted_r2": {"mean": 0.8, "sd": 0.02}}},
        },
        "random-5": {
            "kind": "random",
            "optimistic": True,
            "n_repeats": 1,
            "n_images": 40,
            "missing": [],
            "remarks": [f"{NASTY} was left out."],
            "models": {"mil": {"weighted_r2": {"mean": 0.9, "sd": None}}},
        },
    },
    "random_minus_grouped": {"mil": 0.1},
    "learning_curve": [
        {"model": "mil", "n_train_groups": n, "mean": r2, "sd": 0.01}
        for n, r2 in ((3.0, 0.6), (6.0, 0.8))
    ],
}
TUNING = {
    "trials": [
        {"number": 0, "value": 0.7, "state": "complete"},
        {"number": 1, "value": None, "state": "fail"},
        {"number": 2, "value": 0.6, "state": "pruned"},
    ],
    "importance": {NASTY: 0.7, "dropout": 0.3},
    "best": {NASTY: NASTY, "dropout": 0.25},
    "nested": {"r2": 0.82, "untuned_r2": 0.80},
}


@dataclass(frozen=True)
class Sign:
    name: str
    raised: bool
    sentence: str


ALARMS = [
    Sign("shuffled_labels", raised=False, sentence="Not looked at: run `biomass <all>`."),
    Sign("gap", raised=True, sentence=NASTY),
]


@pytest.mark.usefixtures("undrawn")
def test_protocols_tuning_and_alarms_have_their_sections_when_they_are_there():
    page = render_report(inputs(FRACTION, protocols=PROTOCOLS, tuning=TUNING, alarms=ALARMS))
    parsed = Page(page)

    assert parsed.problems == []
    named = [section["aria-labelledby"] for section in parsed.all("section")]
    assert [name for name in named if name in {"protocols", "tuning", "alarms"}] == [
        "protocols",
        "tuning",
        "alarms",
    ]
    assert len(parsed.all("img")) == 7
    assert "photos of known groups (optimistic)" in parsed.text
    assert "promise 0.100 more R²" in parsed.text
    assert "tuning gains 0.020" in parsed.text


@pytest.mark.usefixtures("undrawn")
def test_without_them_there_are_no_empty_sections(csiro):
    named = {section["aria-labelledby"] for section in Page(csiro).all("section")}

    assert named == {
        "scores",
        "figures",
        "intervals",
        "paddocks",
        "unlike",
        "worst",
        "photos",
        "made",
    }


@pytest.mark.usefixtures("undrawn")
def test_a_raised_alarm_is_told_before_the_scores_and_stays_text():
    page = render_report(inputs(FRACTION, protocols=PROTOCOLS, tuning=TUNING, alarms=ALARMS))

    head = page[: page.index('id="scores"')]
    assert "Gap." in Page(head).text
    assert "Shuffled labels" not in head
    assert "Shuffled labels. Not looked at: run biomass <all>." in Page(page).text
    assert "<code>biomass &lt;all&gt;</code>" in page
    assert "<script" not in page


@pytest.mark.usefixtures("undrawn")
def test_the_page_says_which_model_was_chosen_and_why():
    def with_auto(oof):
        copy = oof[oof["model"] == "mil"].assign(model="auto")
        return pd.concat([oof, copy], ignore_index=True)

    chosen = {
        fold: {"model": "mil" if fold else "ridge", "scores": {"mil": 0.61, "ridge": 0.5}}
        for fold in range(4)
    }
    text = Page(
        render_report(inputs(FRACTION, reshape=with_auto, selection=Selection("auto", chosen)))
    ).text

    assert "The automatically chosen model explains" in text
    assert "the network in 3, the ridge in 1 of 4 folds" in text
    assert "How the model was chosen" in text
    assert "0.610" in text


@pytest.mark.usefixtures("undrawn")
def test_refused_intervals_are_absent_and_explained():
    def refused(oof):
        return oof.assign(y_lower=np.nan, y_upper=np.nan)

    page = render_report(inputs(FRACTION, reshape=refused))
    text = Page(page).text

    assert Page(page).problems == []
    assert "There are no 90\u00a0% intervals" in text
    assert "can be promised only from 9 or more groups" in text
    assert "nan" not in text.lower().split()


@pytest.mark.usefixtures("undrawn")
def test_the_worst_photos_stand_with_how_unlike_they_are():
    def one_is_odd(oof):
        odd = (oof["image_id"] == "photo_7") & (oof["model"] == "mil")
        return oof.assign(
            y_pred=oof["y_pred"].where(~odd, 500.0),
            ood_percentile=oof["ood_percentile"].where(oof["image_id"] != "photo_7", 99.0),
        )

    text = Page(render_report(inputs(FRACTION, reshape=one_is_odd))).text
    worst = text[text.index("These 20 photos cost the score most") :]

    assert worst.index("photo_7") < worst.index("99")


@pytest.mark.usefixtures("undrawn")
def test_metrics_without_distributions_still_make_a_page():
    whole = inputs(FRACTION)
    metrics = {name: value for name, value in whole.metrics.items() if name != "interval_levels"}

    page = Page(render_report(replace(whole, metrics=metrics)))

    assert page.problems == []
    assert "Means of paddocks" not in page.text
    assert "Coverage of each model" in page.text


@pytest.mark.usefixtures("undrawn")
def test_a_study_whose_trials_all_failed_has_no_figure():
    failed = {**TUNING, "trials": [{"number": 0, "value": None, "state": "fail"}]}

    assert len(Page(render_report(inputs(FRACTION, tuning=failed))).all("img")) == 4


class Survey:
    """A page with labels and pictures, so with charts that can be asked."""

    def __init__(self, config=FRACTION, **changes):
        whole = inputs(config)
        labels = labels_of(config, whole.oof).assign(**changes.pop("known", {}))
        for target in config.data.target_names:
            labels[target] = 0.5
        pictures = dict.fromkeys(labels["image_id"], "data:image/webp;base64,UQ==")
        photos = manifest().assign(image_id=labels["image_id"], sha256="", perceptual_hash="")
        self.inputs = replace(
            whole, labels=labels, manifest=photos, album=Album(pictures=pictures), **changes
        )


@pytest.fixture(scope="module")
def live():
    with pytest.MonkeyPatch.context() as patch:
        for figure in (*FIGURES, "residual_figure"):
            patch.setattr(sections, figure, dot)
        patch.setattr(explorer, "vega_library", lambda: "var vegaEmbed;")
        return make_report(Survey(known={"note": NASTY}).inputs)


def scripts(page):
    """The text of each script that runs, and what the data scripts hold, by id."""
    running, data = [], {}
    for part in page.split("<script")[1:]:
        head, _, body = part.partition(">")
        text = body.split("</script>")[0]
        name = re.search(r'id="(\w+)"', head)
        if name:
            data[name[1]] = json.loads(text)
        else:
            running.append(text)
    return running, data


def test_a_live_page_loads_nothing_and_runs_only_its_own_scripts(live):
    page = Page(live.page)
    policy = next(
        m["content"] for m in page.all("meta") if "content" in m and "src" in m["content"]
    )
    running, _ = scripts(live.page)

    assert page.problems == []
    assert "default-src 'none'" in policy
    assert len(running) == 2
    for text in running:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert not [source for source in page.all("script") if "src" in source]
    assert all(img.get("src", "data:").startswith("data:") for img in page.all("img"))


def test_the_script_knows_every_photo_and_prediction(live):
    _, data = scripts(live.page)
    survey = data["survey"]

    assert sorted(survey["ids"]) == sorted(f"photo_{i}" for i in range(40))
    assert {each["key"] for each in survey["models"]} == {"constant", "ridge", "mil"}
    assert [len(v["y"]) for v in survey["predicted"]["mil"].values()] == [40]
    assert len(data["thumbnails"]) == 20
    assert live.page.count("data:image/webp;base64,") == 40


def test_charts_have_still_figures_for_print_and_for_those_without_scripts(live):
    page = Page(live.page)
    _, data = scripts(live.page)

    assert {div["data-live"] for div in page.all("div") if "data-live" in div} == set(data["live"])
    assert len([img for img in page.all("img") if img.get("class") == "still"]) == 5


def test_contents_lead_to_every_section(live):
    page = Page(live.page)

    led = {a["href"].removeprefix("#") for a in page.all("a")}
    assert {section["aria-labelledby"] for section in page.all("section")} <= led


def test_every_choice_and_button_has_a_name(live):
    page = Page(live.page)

    assert len(page.all("select")) == len(page.all("label")) == 6
    assert all(button.get("type") == "button" for button in page.all("button"))
    assert page.all("dialog")[0]["aria-labelledby"] == "photo-title"


def test_what_a_label_says_stays_text(live):
    assert "<script>alert" not in live.page


def test_the_same_survey_gives_the_same_files(live, monkeypatch):
    for figure in (*FIGURES, "residual_figure"):
        monkeypatch.setattr(sections, figure, dot)
    monkeypatch.setattr(explorer, "vega_library", lambda: "var vegaEmbed;")
    again = make_report(Survey(known={"note": NASTY}).inputs)

    assert again.page == live.page
    assert again.beside() == live.beside()


def test_markdown_shows_every_figure_that_lies_beside_it(live):
    text = live.texts["report.md"]

    shown = set(re.findall(r"\]\((figures/[^)]+)\)", text))
    assert shown == {name for name in live.beside() if name.startswith("figures/")}
    assert "| MIL network |" in text
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line.startswith("| ---"):
            assert line.count("|") == lines[number - 1].count("|")


def test_the_cards_say_what_is_known_and_what_is_not(live):
    model, data = live.texts["model_card.md"], live.texts["data_card.md"]

    assert "wheat_fraction" in model
    assert "40 photos of 8 groups" in model
    assert "None was found." in model
    assert "40 with labels, in 8 groups of date" in data
    assert "Licence: not stated" in data
    assert "No two photos show the same picture" in data


def test_photos_without_room_are_counted(monkeypatch):
    for figure in (*FIGURES, "residual_figure"):
        monkeypatch.setattr(sections, figure, dot)
    monkeypatch.setattr(explorer, "vega_library", lambda: "")
    crowded = replace(Survey().inputs, album=Album(n_without=7))

    assert "7 photos have no picture here" in render_report(crowded)
