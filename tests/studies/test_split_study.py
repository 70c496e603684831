"""The naive split: crops of all fields dealt out at random; and the gap that it makes."""

from dataclasses import dataclass

import numpy as np
import pytest

from unstained.errors import BadInput
from unstained.plates.plate import FieldName, create_plate
from unstained.plates.splitting import Region, Split, split_plate
from unstained.studies.split import naive_split, study_split
from unstained.training.models import Subject
from unstained.training.recipes import TrainingSettings


@dataclass(frozen=True)
class Sizes:
    """A plate of which only the sizes of its fields are asked."""

    path: str = "p.zarr"
    fields: tuple[FieldName, ...] = tuple(FieldName(well, 0) for well in ("A01", "A02", "A03", "A04"))

    def shape(self, _):
        return (64, 96)

    def place(self, field):
        return str(field)


WHOLE = [Region(name, (0, 64), (0, 96)) for name in Sizes().fields]
HONEST = Split(tuple(WHOLE[:2]), (WHOLE[2],), (WHOLE[3],), level="well")


def test_naive_squares_cover_every_field_once_and_every_field_is_on_both_sides():
    split = naive_split(Sizes(), HONEST, 16, np.random.default_rng(0))
    seen = {name: np.zeros((64, 96), int) for name in Sizes().fields}
    for role in ("train", "validation", "test"):
        for region in split.regions(role):
            seen[region.field][slice(*region.rows), slice(*region.columns)] += 1
    assert all((count == 1).all() for count in seen.values())
    assert {region.field for region in split.test} == {region.field for region in split.train} == set(seen)


def test_naive_shares_are_those_of_the_honest_split():
    split = naive_split(Sizes(), HONEST, 16, np.random.default_rng(0))
    assert (len(split.train), len(split.validation), len(split.test)) == (48, 24, 24)


def test_another_seed_deals_otherwise():
    first, again, other = (
        naive_split(Sizes(), HONEST, 16, np.random.default_rng(seed)) for seed in (0, 0, 1)
    )
    assert first == again != other


def test_fields_too_small_for_squares():
    with pytest.raises(BadInput, match="too few to split"):
        naive_split(Sizes(), HONEST, 65, np.random.default_rng(0))


@pytest.mark.slow
def test_the_study_scores_both_splits_and_gives_their_difference(tmp_path):
    writer = create_plate(tmp_path / "p.zarr", name="p", channels=["TL", "DNA"], pixel_size_um=0.5)
    y, x = np.mgrid[:256, :256]
    for seed, name in enumerate(("A01/0", "A02/0", "A03/0")):
        rng = np.random.default_rng(seed)
        spots = np.any(
            [np.hypot(y - rng.uniform(0, 256), x - rng.uniform(0, 256)) < 8 for _ in range(25)], axis=0
        )
        planes = np.stack([2000 + 500 * spots, 100 + 1000 * spots]) + rng.normal(0, 5, (2, 256, 256))
        writer.write_field(FieldName.parse(name), planes.astype(np.uint16))
    plate = writer.finish()
    values = TrainingSettings(steps=15, batch=2).model_dump()
    values["network"] |= {"width": 4, "depth": 2}
    honest = split_plate(plate, test=["A03"], validation=["A02"])
    subject = Subject("s", "TL", {"nuclei": "DNA"})
    found = study_split(plate, subject, TrainingSettings.checked(values), honest)
    assert found.honest_level == "well"
    assert found.honest.pcc > 0.3
    assert (found.honest.train, found.honest.test) == (4, 4)  # squares of one field each
    assert found.naive.test >= 4
