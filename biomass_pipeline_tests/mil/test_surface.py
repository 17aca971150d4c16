import pytest

from biomass_pipeline import mil


@pytest.mark.parametrize("name", mil.__all__)
def test_every_public_name_is_there(name):
    assert getattr(mil, name) is not None


def test_another_name_is_not():
    with pytest.raises(AttributeError, match="no attribute 'train_everything'"):
        _ = mil.train_everything
