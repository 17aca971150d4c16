import io

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from biomass_pipeline.reporting import Report, write_beside, write_figures
from biomass_pipeline.reporting.pictures import picture, vector_files


def draw(render):
    figure = Figure(figsize=(1, 1))
    FigureCanvasAgg(figure)
    figure.add_subplot().plot([1, 2])
    return render(figure)


def figure(slug="curve"):
    return picture(draw, slug=slug, name="Curve", reading="Up.", alt="A line that rises")


def test_texts_and_figures_lie_beside_the_page(tmp_path):
    write_beside(tmp_path, Report("<html>", {"report.md": "# é"}, (figure(),)))

    assert (tmp_path / "report.md").read_text(encoding="utf-8").endswith(" -->\n# é")
    assert (tmp_path / "figures" / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert not (tmp_path / "report.html").exists()


def test_figures_of_an_earlier_report_go_and_other_files_stay(tmp_path):
    write_beside(tmp_path, Report("", {}, (figure("old"),)))
    write_figures(tmp_path, [figure("old")])
    (tmp_path / "notes.txt").write_text("mine")

    write_beside(tmp_path, Report("", {}, (figure("new"),)))

    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["new.png"]
    assert (tmp_path / "notes.txt").exists()


def test_vectors_are_svg_and_pdf_and_the_same_each_time(tmp_path):
    files = write_figures(tmp_path, [figure()])

    assert [path.name for path in files] == ["curve.svg", "curve.pdf"]
    assert b"<svg" in files[0].read_bytes()
    assert files[1].read_bytes().startswith(b"%PDF")
    assert vector_files([figure()]) == {path.name: path.read_bytes() for path in files}


def test_a_picture_knows_its_size_and_words():
    found = figure()

    assert (found.width_px, found.height_px) == (110, 110)
    assert found.source.startswith("data:image/png;base64,")
    assert io.BytesIO(found.png).read(4) == b"\x89PNG"
