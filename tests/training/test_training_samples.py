"""While a network learns, a picture shows what it makes of a validation region."""

import numpy as np
import torch
from imagecodecs import png_decode
from test_fitting import CPU, SMALL, relief

from unstained.training.crops import even_sides
from unstained.training.fitting import fit
from unstained.training.samples import GAP_PX, SAMPLE, SIDE_PX, write_sample


def test_a_row_for_each_stain_shows_light_prediction_and_truth_side_by_side(tmp_path):
    ramp = torch.linspace(0, 1, 100).expand(80, 100)
    dark, mirrored = torch.zeros(80, 100), ramp.flip(1)
    path = tmp_path / SAMPLE
    write_sample(path, ramp[None], torch.stack([mirrored, dark]), torch.stack([ramp, mirrored]))
    picture = png_decode(path.read_bytes())
    assert picture.shape == (2 * (80 + GAP_PX), 3 * (100 + GAP_PX))
    light, predicted, real = (picture[:80, start : start + 100] for start in (0, 104, 208))
    assert (light[:, 0] == 0).all()
    assert (light[:, -1] == 255).all()
    np.testing.assert_array_equal(real, light)
    assert predicted[0, 0] == 255
    assert picture[84:164, 104:204].max() == 0  # the second stain isn't predicted yet
    assert [entry.name for entry in tmp_path.iterdir()] == [SAMPLE]


def test_of_a_large_region_the_middle_is_shown(tmp_path):
    plane = torch.zeros(1, SIDE_PX + 64, SIDE_PX + 64)
    plane[0, SIDE_PX // 2 + 32, SIDE_PX // 2 + 32] = 1
    write_sample(tmp_path / SAMPLE, plane, plane, plane)
    picture = png_decode((tmp_path / SAMPLE).read_bytes())
    assert picture.shape == (SIDE_PX + GAP_PX, 3 * (SIDE_PX + GAP_PX))


def test_a_training_that_keeps_its_state_shows_the_real_stain_beside_the_predicted(tmp_path):
    fit([relief(0)], [relief(1)], SMALL, folder=tmp_path, **CPU)
    picture = png_decode((tmp_path / SAMPLE).read_bytes())
    side = picture.shape[0] - GAP_PX
    real = picture[:side, 2 * (side + GAP_PX) :][:, :side].astype(float)
    stain = even_sides(relief(1)).stained[0].numpy()
    assert np.corrcoef(real.ravel(), stain.ravel())[0, 1] > 0.95
