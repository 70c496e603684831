"""Plates in an object store: a real connection to an S3 server on this machine, which can be told to fail."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import s3fs

from object_store import ObjectStore, disconnect, serving
from unstained.errors import BadInput, MissingExtra, OutputExists, OutputFailed
from unstained.plates import locations, storage
from unstained.plates.listing import committed_fields
from unstained.plates.plate import FieldName, Plate, PlateWriter, create_plate, open_plate

FIELDS = tuple(FieldName("A01", number) for number in range(3))


@pytest.fixture(scope="module")
def server() -> Iterator[ObjectStore]:
    with serving() as store:
        yield store


@pytest.fixture
def store(server: ObjectStore) -> Iterator[ObjectStore]:
    yield server
    server.recover()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give up at the first refusal."""
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    disconnect()
    yield
    disconnect()


def begin(url: str, **more: Any) -> PlateWriter:
    conditions = pd.DataFrame({"well": ["A01"], "clone": ["k7"]})
    return create_plate(url, name="P", channels=("TL",), pixel_size_um=0.5, conditions=conditions, **more)


def pixels(field: FieldName) -> np.ndarray:
    return np.random.default_rng(field.field).integers(300, 4000, (1, 30, 40)).astype(np.uint16)


def write(url: str) -> Plate:
    """Write a plate, or go on with it."""
    writer = begin(url, resume=True)
    for field in FIELDS:
        if field not in writer.done:
            writer.write_field(field, pixels(field))
    return writer.finish(needed=FIELDS)


def write_all(writer: PlateWriter) -> None:
    for field in FIELDS:
        writer.write_field(field, pixels(field))


def assert_whole(url: str) -> None:
    plate = open_plate(url)
    assert plate.fields == FIELDS
    for field in FIELDS:
        np.testing.assert_array_equal(plate.read(field, "TL"), pixels(field)[0])


def test_a_plate_in_a_bucket_is_like_one_on_a_disk(store: ObjectStore) -> None:
    url = "s3://bucket/whole.zarr"
    plate = write(url)
    assert_whole(url)
    assert plate.conditions.to_dict("records") == [{"well": "A01", "clone": "k7"}]
    labels = np.arange(1200, dtype=np.int32).reshape(30, 40)
    plate.write_labels(FIELDS[0], "nuclei", labels)
    for area in (1.5, 2.5):  # the second in place of the first
        plate.write_table(FIELDS[0], "nuclei", pd.DataFrame({"label": [1, 2], "area_um2": [area, 7.0]}))
    again = open_plate(url)
    np.testing.assert_array_equal(again.read_labels(FIELDS[0], "nuclei"), labels)
    assert again.read_table(FIELDS[0], "nuclei")["area_um2"].tolist() == [2.5, 7.0]
    with pytest.raises(OutputExists):
        begin(url)
    assert begin(url, overwrite=True).done == frozenset()
    with pytest.raises(BadInput, match="isn't finished"):
        open_plate(url)


def test_what_another_process_committed_is_seen(store: ObjectStore) -> None:
    url = "s3://bucket/shared.zarr"
    driver = begin(url)
    assert committed_fields(url) == set()  # and nothing of it is remembered
    worker = PlateWriter(url, driver.info)
    elsewhere = s3fs.S3FileSystem(skip_instance_cache=True)  # what another process writes through
    worker.write_field(FIELDS[0], pixels(FIELDS[0]))
    assert elsewhere.exists("bucket/shared.zarr/A/01/0/zarr.json")
    elsewhere.copy("bucket/shared.zarr/A/01/0/", "bucket/shared.zarr/A/01/1/", recursive=True)
    assert committed_fields(url) == {FIELDS[0], FIELDS[1]}


@pytest.mark.slow
def test_a_refused_request_now_and_then_is_asked_again(store: ObjectStore) -> None:
    url = "s3://bucket/now-and-then.zarr"
    store.fail(lambda number, _method: number % 11 == 0)
    write(url)
    assert store.refused >= 2
    assert_whole(url)


@pytest.mark.slow
@pytest.mark.parametrize("writes", [1, 4, 9])
def test_an_outage_lists_nothing_that_is_half_written_and_a_second_run_completes(
    store: ObjectStore, impatient: None, writes: int
) -> None:
    url = f"s3://bucket/outage-{writes}.zarr"
    writer = begin(url)
    done = 0

    def down(_number: int, method: str) -> bool:  # from some write on, the store refuses every write
        nonlocal done
        done += method == "PUT"
        return method in ("PUT", "POST") and done > writes

    store.fail(down)
    with pytest.raises(OutputFailed, match=f"can't write {url}") as caught:
        write_all(writer)
    assert "\n" not in str(caught.value)
    assert store.refused >= 1
    store.recover()
    with pytest.raises(BadInput, match="isn't finished"):
        open_plate(url)
    whole = committed_fields(url)
    assert len(whole) < len(FIELDS)
    for field in whole:
        stored = storage.open_image(storage.join(url, f"A/01/{field.field}"))
        np.testing.assert_array_equal(stored.plane(c=0), pixels(field)[0])
    write(url)
    assert_whole(url)


def test_a_store_that_fails_is_never_taken_for_an_empty_one(store: ObjectStore, impatient: None) -> None:
    url = "s3://bucket/kept.zarr"
    write(url)
    store.fail(lambda _number, method: method in ("GET", "HEAD"))
    for act in (lambda: begin(url, resume=True), lambda: begin(url, overwrite=True), lambda: open_plate(url)):
        with pytest.raises((BadInput, OutputFailed)) as caught:
            act()
        assert "\n" not in str(caught.value)
    store.recover()
    assert_whole(url)


def test_no_server_and_no_bucket_are_one_line_each(store: ObjectStore, impatient: None) -> None:
    with pytest.raises(BadInput, match="doesn't exist"):
        open_plate("s3://no-such-bucket/p.zarr")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        disconnect()
        with pytest.raises(BadInput, match=r"127\.0\.0\.1:9") as caught:
            open_plate("s3://bucket/p.zarr")
        assert "\n" not in str(caught.value)
        disconnect()


def test_urls_that_cannot_be_used_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="nonsense://bucket"):
        open_plate("nonsense://bucket/p.zarr")
    writer = create_plate("memory://b/p.zarr", name="P", channels=("TL",), pixel_size_um=None, overwrite=True)
    writer.write_field(FIELDS[0], pixels(FIELDS[0]))
    with pytest.raises(OutputFailed, match="tables can be kept"):  # ngio would write it to nowhere
        writer.write_table(FIELDS[0], "nuclei", pd.DataFrame({"label": [1]}))

    def missing(_url: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(locations, "url_to_fs", missing)
    with pytest.raises(MissingExtra, match=r"unstained\[cloud\]"):
        open_plate("s3://bucket/p.zarr")
