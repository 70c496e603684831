"""Bad input: one line that says what was asked, what was found and what to do; nothing half-written stays."""

import errno
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile

from unstained.networks.bundle import save_model

TRAIN = ("--stain", "nuclei", "--input", "TL", "--target", "DNA", "--steps", 2)


@pytest.fixture
def refused(run, tmp_path):
    """Run a command that must fail with one line holding all of some words, and leave no output."""

    def check(*words: object, said: tuple[str, ...], out: Path | None = None) -> str:
        found = run(*words)
        assert found.code == 1, found
        (line,) = found.err.splitlines()
        assert line.startswith("error: ")
        for part in said:
            assert part in line
        if out is not None:
            assert not out.exists()
            assert [path.name for path in out.parent.iterdir() if path.name.startswith(".")] == []
        return line

    return check


@pytest.fixture
def source(images, tmp_path) -> Path:
    """Give a copy of the images that a test may spoil."""
    return Path(shutil.copytree(images, tmp_path / "source"))


# Plates, channels, wells


def test_a_plate_that_is_not_there(refused, tmp_path):
    refused("check", tmp_path / "no.zarr", said=("no.zarr", "doesn't exist"))


def test_a_folder_that_is_no_plate(refused, images):
    refused("check", images, said=("no OME-Zarr plate", "unstained import"))


@pytest.mark.parametrize("option", ["--input", "--target"])
def test_missing_channel(refused, plate, tmp_path, option):
    words = list(TRAIN)
    words[words.index(option) + 1] = "GFP"
    refused("train", plate, "--out", tmp_path / "m", *words, said=("'GFP'", "TL, DNA"), out=tmp_path / "m")


@pytest.mark.parametrize(("name", "known"), [("B07", "A01, A02"), ("A01/9", "A01/0, A01/1")])
def test_unknown_well_or_field(refused, plate, model, tmp_path, name, known):
    out = tmp_path / "m"
    refused("train", plate, "--out", out, *TRAIN, "--test", name, said=(f"'{name}'", known), out=out)
    q = tmp_path / "q.zarr"
    refused(
        "predict", plate, "--model", model, "--out", q, "--fields", name, said=(f"'{name}'", known), out=q
    )


def test_every_well_held_out(refused, plate, tmp_path):
    out = tmp_path / "m"
    refused(
        "train",
        plate,
        "--out",
        out,
        *TRAIN,
        "--test",
        "A01,A02",
        said=("no field is left to train on",),
        out=out,
    )


# Files


def test_mixed_sizes(refused, source, tmp_path):
    tifffile.imwrite(source / "images" / "A01_f0_DNA.tif", np.zeros((96, 100), np.uint16))
    out = tmp_path / "p.zarr"
    refused("import", source, "--out", out, said=("96", "100", "112"), out=out)


def test_mixed_bit_depths(refused, source, tmp_path):
    tifffile.imwrite(source / "images" / "A01_f0_DNA.tif", np.zeros((96, 112), np.uint8))
    out = tmp_path / "p.zarr"
    refused("import", source, "--out", out, said=("uint8", "uint16"), out=out)


@pytest.mark.parametrize("kept", [0, 8, 5000])
def test_truncated_file(refused, source, tmp_path, kept):
    path = source / "images" / "A02_f1_TL.tif"
    path.write_bytes(path.read_bytes()[:kept])
    out = tmp_path / "p.zarr"
    refused("import", source, "--out", out, said=("A02_f1_TL.tif",), out=out)


def test_file_that_is_no_image(refused, source, tmp_path):
    (source / "images" / "A02_f1_TL.tif").write_text("not a picture", encoding="utf-8")
    out = tmp_path / "p.zarr"
    refused("import", source, "--out", out, said=("A02_f1_TL.tif",), out=out)


def test_file_that_the_manifest_names_is_missing(refused, source, tmp_path):
    (source / "images" / "A02_f1_TL.tif").unlink()
    out = tmp_path / "p.zarr"
    refused("import", source, "--out", out, said=("A02_f1_TL.tif",), out=out)


def test_empty_folder(refused, tmp_path):
    (tmp_path / "empty").mkdir()
    out = tmp_path / "p.zarr"
    refused("import", tmp_path / "empty", "--out", out, said=("empty",), out=out)


def test_contradictory_pixel_sizes(refused, source, tmp_path):
    for name, size in (("A01_f0_TL", 0.5), ("A01_f1_TL", 0.9)):
        path = source / "images" / f"{name}.tif"
        plane = tifffile.imread(path)
        tifffile.imwrite(
            path, plane, ome=True,
            metadata={"axes": "YX", "PhysicalSizeX": size, "PhysicalSizeXUnit": "µm",
                      "PhysicalSizeY": size, "PhysicalSizeYUnit": "µm"},
        )  # fmt: skip
    out = tmp_path / "p.zarr"
    refused("import", source, "--out", out, said=("0.5", "0.9", "--pixel-size-um"), out=out)


def test_damaged_plate(refused, plate, model, tmp_path):
    copied = tmp_path / "copy" / "p.zarr"
    shutil.copytree(plate, copied)
    chunk = sorted(copied.rglob("c/0/0/0"))[0]
    chunk.write_bytes(chunk.read_bytes()[: chunk.stat().st_size // 2])
    refused("check", tmp_path / "copy", said=("no OME-Zarr plate",))
    line = refused("predict", copied, "--model", model, "--out", tmp_path / "q.zarr", said=("p.zarr",))
    assert "damaged" in line


def test_plate_that_was_not_finished(refused, plate, model, tmp_path, run, monkeypatch):
    from unstained.prediction import plates

    def interrupted(*_):
        raise KeyboardInterrupt

    out = tmp_path / "q.zarr"
    with monkeypatch.context() as patched:
        patched.setattr(plates._Job, "predict", interrupted)
        assert run("predict", plate, "--model", model, "--out", out).code == 130
    refused("measure", out, said=("isn't finished",))
    assert run("predict", plate, "--model", model, "--out", out).code == 0, "the same command goes on"


def test_colour_image_to_predict(refused, model, tmp_path):
    rng = np.random.default_rng(0)
    tifffile.imwrite(tmp_path / "rgb.tif", rng.integers(0, 255, (64, 64, 3), np.uint8), photometric="rgb")
    out = tmp_path / "out.tif"
    refused("predict", tmp_path / "rgb.tif", "--model", model, "--out", out, said=("rgb.tif",), out=out)


# Models


def test_model_that_is_not_there(refused, plate, tmp_path):
    q = tmp_path / "q.zarr"
    refused("predict", plate, "--model", "nuclei_v3", "--out", q, said=("no model 'nuclei_v3'",), out=q)


def test_model_for_another_channel(refused, plate, model_like, tmp_path):
    save_model(model_like(input="DIC"), tmp_path / "m")
    q = tmp_path / "q.zarr"
    refused(
        "predict", plate, "--model", tmp_path / "m", "--out", q, said=("'DIC'", "TL, DNA", "--input"), out=q
    )


@pytest.mark.parametrize("size_um", [0.24, 1.01])
def test_model_beyond_twice_its_pixel_size(refused, plate, model_like, tmp_path, size_um):
    save_model(model_like(pixel_size_um=size_um), tmp_path / "m")
    said = ("0.5 µm", f"{size_um} µm", "factor of 2")
    q = tmp_path / "q.zarr"
    refused("predict", plate, "--model", tmp_path / "m", "--out", q, said=said, out=q)


def test_model_with_other_weights(refused, plate, model, tmp_path):
    copied = Path(shutil.copytree(model, tmp_path / "m"))
    weights = copied / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\1\0")
    q = tmp_path / "q.zarr"
    refused("predict", plate, "--model", copied, "--out", q, said=("SHA-256",), out=q)


# Outputs


@pytest.fixture
def commands_with_output(plate, images, model, predicted):
    """Give the words of each command that writes, to be followed by `--out`."""
    return {
        "import": ("import", images),
        "predict": ("predict", plate, "--model", model),
        "predict an image": ("predict", images / "images" / "A01_f0_TL.tif", "--model", model),
        "train": ("train", plate, *TRAIN),
        "measure": ("measure", predicted),
        "evaluate": ("evaluate", predicted, "--truth", plate),
        "report": ("report", predicted),
        "rank": ("rank", predicted, "--by", "growth"),
        "screen": ("screen", plate, "--model", model),
        "demo": ("demo", "--train"),
        "study": ("study", "split", plate, "--input", "TL", "--target", "DNA"),
    }


COMMANDS = (
    "import", "predict", "predict an image", "train", "measure", "evaluate", "report", "rank", "screen",
    "demo", "study",
)  # fmt: skip


def named_like(command: str) -> str:
    return "out.tif" if command == "predict an image" else "out"


@pytest.mark.parametrize("command", COMMANDS)
def test_existing_output_is_refused_and_left_alone(refused, commands_with_output, tmp_path, hashed, command):
    out = tmp_path / named_like(command)
    if command == "predict an image":
        out.write_bytes(b"precious")
    else:
        out.mkdir()
        (out / "precious.txt").write_text("mine", encoding="utf-8")
    before = hashed(tmp_path)
    refused(*commands_with_output[command], "--out", out, said=(str(out),))
    assert hashed(tmp_path) == before


FILES_OR_MODELS = ("predict an image", "train", "report")


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in FILES_OR_MODELS])
def test_overwrite_never_deletes_what_is_not_ours(run, commands_with_output, tmp_path, hashed, command):
    out = tmp_path / "out"
    out.mkdir()
    (out / "precious.txt").write_text("mine", encoding="utf-8")
    before = hashed(tmp_path)
    found = run(*commands_with_output[command], "--out", out, "--overwrite")
    assert found.code == 1
    assert len(found.err.splitlines()) == 1
    assert hashed(tmp_path) == before


@pytest.mark.parametrize("command", COMMANDS)
def test_output_that_cannot_be_written(refused, commands_with_output, tmp_path, command):
    (tmp_path / "file").write_text("", encoding="utf-8")
    out = tmp_path / "file" / named_like(command)
    refused(*commands_with_output[command], "--out", out, said=("file",))
    assert (tmp_path / "file").read_bytes() == b""


def test_full_disk_while_importing(refused, images, tmp_path, monkeypatch):
    async def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("zarr.storage.LocalStore.set", full)
    out = tmp_path / "p.zarr"
    refused("import", images, "--out", out, said=("p.zarr", "No space left on device"), out=out)


@pytest.mark.parametrize("command", ["report", "evaluate"])
def test_full_disk_while_a_file_is_written(refused, commands_with_output, tmp_path, monkeypatch, command):
    def full(self, *_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    out = tmp_path / named_like(command)
    refused(*commands_with_output[command], "--out", out, said=("No space left on device",))
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".tif", ".html", ".json")]


def test_output_within_the_source(refused, images, hashed):
    before = hashed(images)
    refused("import", images, "--out", images / "p.zarr", said=("source",))
    assert hashed(images) == before


def test_prediction_onto_its_own_plate(refused, plate, model, hashed):
    before = hashed(plate)
    refused("predict", plate, "--model", model, "--out", plate, "--overwrite", said=("choose another name",))
    assert hashed(plate) == before


def test_prediction_onto_its_own_image(refused, images, model, hashed):
    image, before = images / "images" / "A01_f0_TL.tif", hashed(images)
    refused("predict", image, "--model", model, "--out", image, "--overwrite", said=("never changed",))
    assert hashed(images) == before


def test_measuring_twice(refused, predicted):
    refused("measure", predicted, said=("measure", "--overwrite"))


# Evaluation and settings


def test_evaluation_folder_without_an_evaluation(refused, predicted, tmp_path):
    page = tmp_path / "page.html"
    refused("report", predicted, "--evaluation", tmp_path, "--out", page, said=("evaluation.json",), out=page)


def test_evaluation_of_unknown_fields(refused, predicted, plate, tmp_path):
    words = ("evaluate", predicted, "--truth", plate, "--out", tmp_path / "ev")
    refused(*words, "--fields", "best", said=("'best'", "test"), out=tmp_path / "ev")
    refused(*words, "--target", "GFP", said=("'GFP'", "TL, DNA"), out=tmp_path / "ev")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--recipe", "best"), ("'best'", "default, frm")),
        (("--minutes", 1), ("minutes or steps",)),
        (("--device", "tpu"), ("'tpu'", "auto, cpu, cuda")),
        (("--precision", "8"), ("'8'", "bf16")),
        (("--devices", "none"), ("'none'", "number")),
        (("--seed", -1), ("seed", "greater than or equal to 0")),
    ],
)
def test_settings_of_a_training(refused, plate, tmp_path, words, said):
    refused("train", plate, "--out", tmp_path / "m", *TRAIN, *words, said=said, out=tmp_path / "m")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--webhook", "example.com/hook"), ("--webhook", "https://")),
        (("--on-alarm", "say 'drift"), ("--on-alarm", "quotation")),
    ],
)
def test_an_alarm_that_could_not_be_raised_is_refused_before_watching(refused, images, tmp_path, words, said):
    refused("drift", "watch", images, "--model", "cho-four", "--out", tmp_path / "w", *words, said=said,
            out=tmp_path / "w")  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--fields", "A01"), ("--fields", "goes with a plate")),
        (("--strict",), ("--strict", "goes with a plate")),
        (("--pixel-size-um", 0), ("pixel_size_um", "larger than 0")),
    ],
)
def test_one_image_takes_no_settings_of_a_plate(refused, images, model, tmp_path, words, said):
    image = next(path for path in sorted(images.rglob("*.tif")))
    out = tmp_path / "predicted.tif"
    refused("predict", image, "--model", model, "--out", out, *words, said=said, out=out)
