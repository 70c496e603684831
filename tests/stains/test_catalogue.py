"""Stains are data: the known ones, and those that users write down."""

import pytest

from unstained.errors import BadSettings
from unstained.stains.catalogue import STAINS, find_stain, read_stains
from unstained.training.losses import named_loss


def test_every_known_stain_is_under_its_own_name_and_has_a_loss_that_exists():
    assert list(STAINS) == ["nuclei", "er", "golgi", "gfp"]
    for name, stain in STAINS.items():
        assert stain.name == name
        assert stain.loss is None or callable(named_loss(stain.loss))
    assert not STAINS["golgi"].target.is_recorded
    assert STAINS["nuclei"].target.is_recorded


def test_a_stain_that_nobody_described_is_learnt_as_recorded():
    assert find_stain("mito").target.is_recorded
    assert find_stain("golgi") == STAINS["golgi"]


def test_users_add_and_replace_stains(tmp_path):
    path = tmp_path / "stains.yaml"
    path.write_text(
        "mito:\n  title: Mitochondria\n  colour: '#ff5050'\n  target: {background: top_hat, radius_um: 1.5}\n"
        "gfp:\n  target: {background: rolling_ball, mask: true}\n  loss: bce\n",
        encoding="utf-8",
    )
    known = read_stains(path)
    assert list(known) == ["nuclei", "er", "golgi", "gfp", "mito"]
    assert find_stain("mito", known).target.radius_um == 1.5
    assert find_stain("gfp", known).loss == "bce"
    assert STAINS["gfp"].loss is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mito: red\n", "mito"),
        ("mito: {color: red}\n", "color"),
        ("1mito: {}\n", "name"),
        ("mito: {target: {radius_um: -1}}\n", "target.radius_um"),
        ("mito: {target: {mask: true}}\n", "background"),
    ],
)
def test_a_wrong_stain_gets_a_line_that_names_it(tmp_path, text, said):
    path = tmp_path / "stains.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadSettings, match=said):
        read_stains(path)
