import logging
import sqlite3

import optuna
import pytest

from biomass_pipeline.errors import MissingDriverError, StudyStorageError
from biomass_pipeline.mil.tuning.address import sqlite_url
from biomass_pipeline.mil.tuning.storage import alone, open_storage


def names(url):
    with open_storage(url) as storage:
        return [study.study_name for study in storage.get_all_studies()]


@pytest.mark.parametrize("folder", ["plain", "with space", "100%", "a#b?c", "{x}", "grün"])
def test_any_path_can_hold_studies(tmp_path, folder, empty_database):
    file = tmp_path / folder / "studies.db"
    file.parent.mkdir()
    file.write_bytes(empty_database.read_bytes())
    with open_storage(sqlite_url(file)) as storage:
        optuna.create_study(storage=storage, study_name="here")
    assert names(sqlite_url(file)) == ["here"]
    assert {path.name for path in tmp_path.iterdir()} == {folder}
    # All of it is in the one file once nobody uses it.
    assert not list(file.parent.glob("*-wal"))


def test_the_folder_is_made(tmp_path):
    assert names(sqlite_url(tmp_path / "new" / "folder" / "studies.db")) == []


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("mysql+nosuchdriver://me:secret@host/studies", "nosuchdriver"),
        ("postgresql+pg8000://me:secret@host/studies", "pg8000"),
        ("postgresql://me:secret@host/studies", "psycopg2"),
    ],
)
def test_a_missing_driver_is_named_with_its_extra(url, driver, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "psycopg2", None)
    with pytest.raises(
        (MissingDriverError, StudyStorageError), match=r"biomass-pipeline\[postgres\]|plugin"
    ) as caught:
        names(url)
    assert driver in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "words"),
    [("nonsense with a secret", "it is no SQLAlchemy URL"), ("foo://me:secret@h/x", "foo")],
)
def test_what_is_no_database_is_said_without_its_password(url, words):
    with pytest.raises(StudyStorageError, match=words) as caught:
        names(url)
    assert "secret" not in str(caught.value)


def test_a_damaged_file_is_named(tmp_path):
    file = tmp_path / "studies.db"
    file.write_text("hello " * 500)
    with pytest.raises(StudyStorageError, match=r"studies\.db cannot be used.*not a database"):
        names(sqlite_url(file))


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StudyStorageError, match=r"studies\.db cannot be used.*"):
        names(sqlite_url(tmp_path / "file" / "studies.db"))


def test_a_file_that_goes_bad_meanwhile_is_named(url):
    def spoil_and_read():
        with open_storage(url) as storage:
            file = sqlite3.connect(url.removeprefix("sqlite:///"))
            file.execute("drop table studies")
            file.close()
            storage.get_all_studies()

    with pytest.raises(StudyStorageError, match="no such table"):
        spoil_and_read()


def test_errors_of_others_pass_through(url):
    with pytest.raises(ImportError, match="mine"), open_storage(url):
        raise ImportError("mine")


def test_optuna_keeps_quiet_and_gets_its_voice_back(url, capfd):
    before = logging.getLogger("optuna").level
    with open_storage(url) as storage:
        optuna.create_study(storage=storage, study_name="here")
    assert capfd.readouterr().err == ""
    assert logging.getLogger("optuna").level == before


def test_what_has_no_lock_is_taken_as_it_is():
    with alone("mysql://host/studies"), alone("sqlite://"):
        pass
