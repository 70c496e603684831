"""What a model's bundle keeps of its limits: written, read, and made what judges fields."""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unstained.arrays import RawPlane
from unstained.errors import BadModel
from unstained.networks.bundle import ModelCard
from unstained.prediction.engine import Prediction
from unstained.prediction.labeller import Labeller
from unstained.prediction.verdicts import Judge, Verdict, doubted
from unstained.trust.drift import DriftDetector
from unstained.trust.envelope import Envelope
from unstained.trust.expected_quality import ExpectedQuality
from unstained.trust.forest import Forest
from unstained.trust.reference import Reference
from unstained.trust.verdict import Trust

REFERENCE, QUALITY, ENVELOPE = "reference.npz", "quality.npz", "envelope.json"


def to_files(trust: Trust) -> dict[str, bytes]:
    """Give the files that a model's bundle keeps."""
    own = {"usual": trust.usual, "clean_pcc": trust.clean_pcc, "wells": trust.calibration_wells}
    quality = {
        **{f"quality_{name}": value for name, value in trust.quality.arrays().items()},
        **{f"causes_{name}": value for name, value in trust.causes.arrays().items()},
        **{name: np.array(value) for name, value in own.items()},
        "kinds": np.array(trust.kinds),
        "tried": trust.tried.astype(np.float32),
    }
    envelope = json.dumps(trust.envelope.model_dump(mode="json"), indent=1) + "\n"
    drift = {} if trust.detector is None else trust.detector.state()
    watching = {f"drift_{name}": value for name, value in drift.items()}
    return {
        REFERENCE: _packed({**trust.reference.arrays(), **watching}),
        QUALITY: _packed(quality),
        ENVELOPE: envelope.encode(),
    }


def trust_of(name: str, bundle: Mapping[str, bytes]) -> Trust | None:
    """Read what the files of a model's bundle say of its limits; None where they say nothing.

    Raises
    ------
    BadModel
        A file is there and can't be read.
    """
    files = [bundle.get(part) for part in (REFERENCE, QUALITY, ENVELOPE)]
    if any(content is None for content in files):
        return None
    try:
        known, quality = _unpacked(files[0] or b""), _unpacked(files[1] or b"")
        drift = _part(known, "drift_")
        return Trust(
            reference=Reference.from_arrays(known),
            quality=ExpectedQuality.from_arrays(_part(quality, "quality_")),
            causes=Forest.from_arrays(_part(quality, "causes_")),
            kinds=tuple(map(str, quality["kinds"])),
            tried=quality["tried"].astype(np.float64),
            usual=float(quality["usual"]),
            clean_pcc=float(quality["clean_pcc"]),
            calibration_wells=int(quality["wells"]),
            envelope=Envelope.model_validate_json(files[2] or b""),
            detector=DriftDetector.restored(drift) if drift else None,
        )
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        what = f"{QUALITY}, {REFERENCE} or {ENVELOPE}"
        raise BadModel(f"model {name!r}: {what} is damaged: {error}") from error


def judge_of(labellers: Sequence[Labeller], *, real: bool) -> Judge | None:
    """Make what judges the fields that these models predict; None where none knows anything of its limits.

    On `real` images a model that has only seen simulated ones is never trusted.
    """
    known = {each.name: trust_of(each.name, each.extras) for each in labellers}
    if not any(known.values()) and not any(each.card.simulated and real for each in labellers):
        return None

    def judge(card: ModelCard, plane: RawPlane, prediction: Prediction) -> Verdict | None:
        trust = known[card.name]
        verdict = None if trust is None else trust.judge(card, plane, prediction)
        return doubted(card, verdict) if card.simulated and real else verdict

    return judge


def _packed(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    held = io.BytesIO()
    np.savez_compressed(held, **dict(arrays))  # type: ignore[arg-type]
    return held.getvalue()


def _unpacked(content: bytes) -> dict[str, NDArray[Any]]:
    with np.load(io.BytesIO(content), allow_pickle=False) as found:
        return {name: found[name] for name in found.files}


def _part(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}
