"""`biomass export submission`: the rows of a competition's file, in its order."""

import pandas as pd
import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def asked(done):
    """Two photos that nobody weighed, and a file that asks for them in another order."""
    for number in (1, 2):
        done.photo(f"new{number}.png", 100 + number, blue=77)
    names = ["new2", "new1"]
    table = pd.DataFrame({"sample_id": [f"{name}__mass_g" for name in names]})
    table.to_csv(done.folder / "test.csv", index=False)
    return table


def test_rows_are_those_of_the_file_in_its_order_and_strangers_are_named(biomass, done, asked):
    ended = biomass("export", "submission", "--order", "test.csv", "-o", "mine.csv", "--json")
    assert ended.code == 0, ended.flat
    assert (ended.json["rows"], ended.json["photos"]) == (2, 2)
    found = pd.read_csv(done.folder / "mine.csv")
    assert found["sample_id"].tolist() == asked["sample_id"].tolist()
    assert (found["target"] >= 0).all()

    asked.iloc[::-1].to_csv(done.folder / "sample_submission.csv", index=False)
    words = ("export", "submission", "--order", "sample_submission.csv", "-o", "other.csv")
    ended = biomass(*words)
    assert ended.code == 0, ended.flat
    assert "other.csv: 2 rows, 2 photos" in ended.flat
    turned = pd.read_csv(done.folder / "other.csv").iloc[::-1].reset_index(drop=True)
    pd.testing.assert_frame_equal(turned, found)

    wrong = asked.assign(sample_id=["new1__mass_g", "new9__mass_g"])
    wrong.to_csv(done.folder / "wrong.csv", index=False)
    ended = biomass("export", "submission", "--order", "wrong.csv", "-o", "wrong_out.csv")
    assert ended.code == 1
    assert "1 asked for, but there is no prediction of them: new9__mass_g" in ended.flat
    assert "1 predicted, but not asked for: new2__mass_g" in ended.flat
    assert not (done.folder / "wrong_out.csv").exists()


def test_a_file_of_another_kind_or_that_is_not_there_is_one_message(biomass, done):
    ended = biomass("export", "submission", "-o", "out.parquet")
    assert ended.code == 2
    assert "a submission is a .csv file, not out.parquet" in ended.flat
    ended = biomass("export", "submission", "--order", "nowhere.csv", "-o", "out.csv")
    assert ended.code == 2
    assert "at nowhere.csv. Give an existing one with `--order`." in ended.flat
    assert "prepare" not in ended.flat
