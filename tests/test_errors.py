"""Errors are lines for users, wherever they were raised."""

import pickle

import pytest

from unstained import errors


def kinds(kind: type[errors.UnstainedError]) -> list[type[errors.UnstainedError]]:
    return [kind, *(each for below in kind.__subclasses__() for each in kinds(below))]


@pytest.mark.parametrize(
    "error",
    [
        errors.BadSettings("--fields", "no number", known=["a", "b"]),
        errors.MissingChannel("DNA", "plate.zarr", ["TL"]),
        errors.OutputFailed("plate.zarr", "the disk is full"),
        errors.MissingExtra("s3fs", "cloud"),
    ],
)
def test_an_error_of_another_process_says_what_it_said_there(error):
    found = pickle.loads(pickle.dumps(error))
    assert type(found) is type(error)
    assert str(found) == str(error)


@pytest.mark.parametrize("kind", kinds(errors.UnstainedError))
def test_every_kind_of_error_comes_back_from_another_process(kind):
    found = pickle.loads(pickle.dumps(kind.__new__(kind, "a line")))
    assert (type(found), str(found)) == (kind, "a line")
