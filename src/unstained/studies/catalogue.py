"""The studies by name: what each asks, and the function that answers."""

from typing import NamedTuple

from unstained.errors import BadInput
from unstained.studies.comparisons import background, downstream, gfp, losses
from unstained.studies.composites import composites
from unstained.studies.drift_power import drift_power
from unstained.studies.embeddings import embeddings
from unstained.studies.harm import harm
from unstained.studies.phenotypes import phenotypes
from unstained.studies.recipes import recipes
from unstained.studies.scale import scale
from unstained.studies.split import split
from unstained.studies.stability import stability
from unstained.studies.study import Run
from unstained.studies.tiling import tiling


class Kind(NamedTuple):
    """One study."""

    title: str
    run: Run


STUDIES: dict[str, Kind] = {
    "downstream": Kind("Do measurements of predicted stains follow the real ones? (Table 4)", downstream),
    "gfp": Kind("GFP as a mask or as it is (Table 3)", gfp),
    "scale": Kind("Another magnification than that of training (Table 2)", scale),
    "losses": Kind("Losses: images, sharpness, measurements (Figs. 17, 32, 33)", losses),
    "recipes": Kind("Recipes: weights, regularisation, augmentation, optimiser, data", recipes),
    "phenotypes": Kind("From one phenotype to another", phenotypes),
    "background": Kind("Golgi freed of background and noise (Figs. 24–31)", background),
    "tiling": Kind("Windows and seams (Figs. 4, 5)", tiling),
    "split": Kind("How much a split by crops flatters", split),
    "stability": Kind("Images that get worse, and training on such (Figs. 40, 41, 43)", stability),
    "drift-power": Kind("How soon drift is seen (Tables 6–8, Figs. 42, 53–55)", drift_power),
    "harm": Kind("Expected quality beside the true one", harm),
    "composites": Kind("Stains together (Figs. 19, 20, 23, 37–39)", composites),
    "embeddings": Kind("What embeddings of label-free crops tell (Figs. 44–52)", embeddings),
}


def find_study(name: str) -> Kind:
    """Give the study of a name.

    Raises
    ------
    BadInput
        There is none.
    """
    if name not in STUDIES:
        raise BadInput(f"no study {name!r}; there are: {', '.join(STUDIES)}")
    return STUDIES[name]
