"""Beside every prediction: `trust`, `caution` or `refuse`, with the reason in words."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from unstained.arrays import RawPlane
from unstained.imaging.corruptions import KINDS
from unstained.networks.bundle import ModelCard
from unstained.prediction.engine import Prediction
from unstained.prediction.verdicts import TRUST, worse
from unstained.trust.drift import DriftDetector
from unstained.trust.envelope import Envelope
from unstained.trust.expected_quality import FEWEST_WELLS, Expected, ExpectedQuality
from unstained.trust.features import Vector, field_features
from unstained.trust.forest import Forest
from unstained.trust.reference import Reference
from unstained.trust.streams import FEWEST_FIELDS

TRUSTED, USABLE = 0.9, 0.7
"""Shares of the clean fields' PCC: a field is trusted down to the first, and refused below the second."""

STRANGE, UNKNOWN = 1.0, 2.0
"""Times the usual distance from what the model was tried on: further is told, twice as far is refused."""

FEWEST_TRIED = 4
"""A model that was tried on fewer fields promises nothing: `caution` at best."""

NAMED = 1.5
"""A severity from which a likely cause is named."""

ODD = 1.5
"""Standardised, drawn-in distance from which a feature is named where no cause is."""

SAID = {
    "thesis_defocus": "blurred",
    "contrast": "of unusual contrast",
    "brightness": "of unusual brightness",
    "defocus": "out of focus by about {strength:.0f} µm",
    "vignetting": "dark in its corners",
    "tilt": "lit from one side",
    "lamp": "short of light",
    "dic_bias": "taken with another DIC bias",
    "shear_angle": "sheared in another direction",
    "shear_inversion": "lit from the other side",
    "magnification": "magnified {strength:.1f} times",
    "dust": "dusty",
    "motion": "blurred by motion of about {strength:.0f} µm",
    "hot_pixels": "full of hot pixels",
    "bit_depth": "short of {strength:.0f} bits",
    "saturation": "saturated ({strength:.0%} of its pixels)",
    "binning": "binned by {strength:.0f}",
}
"""What a field is that looks like one of the corruptions."""

WORDS = {
    "level": "brightness", "contrast": "contrast", "saturated": "saturated pixels", "corner": "lit corners",
    "side": "light from one side", "spectrum": "texture", "laplacian": "fine detail",
    "percentile": "contrast of cells", "relief": "relief", "share": "confluence",
    "brightness": "predicted brightness", "texture": "predicted texture", "dissent": "mirrored predictions",
}  # fmt: skip
"""What a feature is called in a reason; by the first or last part of its name."""


@dataclass(frozen=True)
class Trust:
    """All that a model knows of its own limits."""

    reference: Reference
    quality: ExpectedQuality
    causes: Forest  # compressed features → signed severity of each kind
    kinds: tuple[str, ...]  # in the order of the forest's outputs
    tried: Vector  # (example, feature): compressed features of all examples
    usual: float  # distance within which 99 % of examples find another field's
    clean_pcc: float  # mean over stains and clean fields
    calibration_wells: int
    envelope: Envelope
    detector: DriftDetector | None = None  # watches fields as they come; None = too few clean ones

    def judge(self, card: ModelCard, plane: RawPlane, prediction: Prediction) -> dict[str, Any]:
        """Judge one field (Y X) as recorded by what a model made of it; plain values, `verdict` first."""
        if float(np.ptp(plane)) == 0:
            return {"verdict": "refuse", "reason": "the field is constant: there is nothing in it"}
        return self.judged(field_features(card, plane, prediction).plain)

    def judged(self, plain: Vector) -> dict[str, Any]:
        """Judge a field by its plain features (feature)."""
        found = self.findings(plain)
        expected = found.expected
        return {
            "verdict": self._verdict(found),
            "reason": self._reason(found),
            "expected_pcc": round(float(expected.pcc.mean()), 3),
            "pcc_at_least": _rounded(expected.at_least),
            "expected_count_error": _rounded(expected.count_error),
            "drift": round(found.drift, 2),
            "strangeness": round(found.strangeness, 2),
            "looks_like": found.kind if found.is_named else None,
        }

    def findings(self, plain: Vector) -> "Findings":
        """Say all that is known of a field by its plain features (feature)."""
        point = self.reference.compressed(plain)
        drift = float(self.reference.drift(plain))
        expected = self.quality.expect(point, drift)
        severities = self.causes.predict(point[None])[0]
        likeliest = int(np.argmax(np.abs(severities)))
        kind, severity = self.kinds[likeliest], float(severities[likeliest])
        limits = self.envelope.limits(kind)
        strength = strength_of(kind, severity)
        return Findings(
            point=point,
            drift=drift,
            expected=expected,
            share=float(expected.pcc.mean()) / max(self.clean_pcc, 1e-6),
            strangeness=float(np.sqrt(np.mean((self.tried - point) ** 2, axis=1)).min()) / self.usual,
            kind=kind,
            severity=severity,
            is_beyond=limits is not None and not limits[0] <= strength <= limits[1],
        )

    def suffers(self, plain: Vector) -> bool:
        """Tell whether a field's prediction is expected to be worse than those of clean fields."""
        return _by_share(self.findings(plain).share) != TRUST

    def promises(self) -> str:
        """Say in words what a user may rely on, and what this model can't tell."""
        fields, wells = self.envelope.fields, self.calibration_wells
        tried = f"tried on {_counted(fields, 'field')} of {_counted(wells, 'well')}"
        most = "" if fields >= FEWEST_TRIED else f", so caution at best ({FEWEST_TRIED} fields needed)"
        bound = "with" if wells >= FEWEST_WELLS else f"without ({FEWEST_WELLS} wells needed)"
        watched = "with" if self.detector is not None else f"without ({FEWEST_FIELDS} clean fields needed)"
        return f"{tried}{most}; {bound} a 90 % bound; {watched} a drift detector"

    def _verdict(self, found: "Findings") -> str:
        return worse(
            _by_share(found.share),
            _by_strangeness(found.strangeness),
            "caution" if found.is_named and found.is_beyond else "trust",
            "caution" if self.envelope.fields < FEWEST_TRIED else "trust",
        )

    def _reason(self, found: "Findings") -> str:
        told = []
        if _by_share(found.share) != "trust" or (found.is_named and found.is_beyond):
            told.append(self._what_is_wrong(found))
        if found.strangeness > STRANGE:
            told.append("unlike all that the model was tried on")
        if self._verdict(found) == "caution" and self.envelope.fields < FEWEST_TRIED:
            told.append(f"the model was tried on {_counted(self.envelope.fields, 'field')} only")
        told.append(self._promise(found.expected))
        return "; ".join(part for part in told if part)

    def _what_is_wrong(self, found: "Findings") -> str:
        """Name the corruption that a field looks like, else what is odd about it."""
        if found.is_named:
            return describe(found.kind, found.severity)
        order = np.argsort(-np.abs(found.point))
        worst = [self.reference.names[index] for index in order if abs(found.point[index]) >= ODD]
        odd = list(dict.fromkeys(in_words(name) for name in worst))[:2]
        return f"unlike the model's own fields in {' and '.join(odd)}" if odd else ""

    def _promise(self, expected: Expected) -> str:
        if expected.at_least is not None:
            return f"expected PCC {expected.pcc.mean():.2f}, at least {expected.at_least:.2f} (90 %)"
        few = f"no bound from {_counted(self.calibration_wells, 'well')}, {FEWEST_WELLS} are needed"
        why = few if self.calibration_wells < FEWEST_WELLS else "no bound for fields so far off"
        return f"expected PCC {expected.pcc.mean():.2f} ({why})"


@dataclass(frozen=True)
class Findings:
    """What is known of one field."""

    point: Vector  # (feature), compressed
    drift: float
    expected: Expected
    share: float  # the expected PCC over that of clean fields, means over stains
    strangeness: float  # distance from all that was tried; up to 1 is usual
    kind: str  # the corruption that it looks like most
    severity: float  # signed
    is_beyond: bool  # stronger than the envelope allows

    @property
    def is_named(self) -> bool:
        return abs(self.severity) >= NAMED


def describe(kind: str, severity: float) -> str:
    """Say what a field is that looks like a corruption of some severity: `out of focus by about 3 µm`."""
    return SAID[kind].format(strength=strength_of(kind, severity))


def strength_of(kind: str, severity: float) -> float:
    """Give the strength of a severity between the whole ones."""
    known = KINDS[kind]
    sides = {0: known.neutral, **known.severities}
    steps = sorted(step for step in sides if step * severity >= 0)
    return float(np.interp(severity, steps, [sides[step] for step in steps]))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def in_words(name: str) -> str:
    """Say what a feature is about: `spectrum_3` is texture."""
    first, last = name.split("_")[0], name.split("_")[-1]
    return WORDS.get(first, WORDS.get(last, name))


def _by_share(share: float) -> str:
    return "trust" if share >= TRUSTED else "caution" if share >= USABLE else "refuse"


def _by_strangeness(strangeness: float) -> str:
    return "trust" if strangeness <= STRANGE else "caution" if strangeness <= UNKNOWN else "refuse"
