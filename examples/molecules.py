"""Write molecules as SMILES, and count those that RDKit accepts.

    python examples/molecules.py [FILE]    needs keras-textgen[examples]

A molecule is a line: c1ccccc1O is phenol. Parentheses enclose branches, and the two atoms
with the same digit close a ring, so a model has to remember what it has opened. The
molecules are made, by joining common rings and groups at random, and each is written
from a random atom on. FILE holds SMILES of your own, one a line.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from example import Example, memory_alone, percent, run, table

import textgen
from textgen.errors import CorpusError

try:
    from rdkit import Chem, RDLogger
    from rdkit.Chem.Draw import rdMolDraw2D
except ImportError as error:
    raise SystemExit("Error: this needs RDKit. Install it: pip install rdkit") from error

RINGS = (
    "c1ccc({})cc1",
    "c1cc({})ccc1{}",
    "c1cc({})cc({})c1",
    "c1cc({})cnc1",
    "c1nc({})ncc1{}",
    "c1cc({})sc1",
    "c1cc({})oc1",
    "c1ccc2c(c1)cc({})[nH]2",
    "c1ccc2nc({})ccc2c1",
    "C1CCC({})CC1",
    "C1CN({})CCO1",
    "C1CCN({})C1",
    "O=C1CC({})CN1{}",
)
GROUPS = (
    *("C", "CC", "C(C)C", "C=C", "CO", "O", "OC", "OCC", "N", "NC", "N(C)C", "CCN", "F"),
    *("Cl", "Br", "C#N", "C(=O)O", "C(=O)OC", "C(=O)N", "C(F)(F)F", "S(=O)(=O)N"),
    *("[N+](=O)[O-]", "C(=O)C"),
)
BRIDGES = ("C", "CC", "O", "CO", "C(=O)N", "C(=O)", "S(=O)(=O)N", "N", "C=C")
"""What may stand between two rings."""
NUM_DRAWN = 5


def main(arguments: list[str] | None = None) -> None:
    """Train, write molecules in two ways, check and draw them, and write the page."""
    example = Example("molecules", __doc__ or "", arguments, "SMILES, one a line")
    # RDKit explains on stderr what is wrong with each text.
    RDLogger.DisableLog("rdApp.*")
    made = 60 if example.quick else 5000
    texts = read_smiles(example.file) if example.file else made_smiles(made, seed=0)
    best = trained(example, texts)
    count = 20 if example.quick else 1000
    ways = {
        "n-grams alone": written(memory_alone(best), count),
        "LSTM": written(textgen.Generator.load(best, memory=False), count),
        "the molecules to learn from": texts[:count],
    }
    known = set(map(canonical, texts))
    rows = [[way, *shares(smiles, known)] for way, smiles in ways.items()]
    rows[-1][-1] = ""
    draw({way: ways[way] for way in list(ways)[:2]}, known, example.picture())
    new = [smiles for smiles in ways["LSTM"] if canonical(smiles) not in {None, *known}]
    header = [f"{count:,} texts", "valid", "different", "new"]
    example.show(table(header, *rows), "```text\n" + "\n".join(new[:6]) + "\n```")


def canonical(smiles: str) -> str | None:
    """The one SMILES that all of a molecule's have in common; None if it is not valid."""
    molecule = Chem.MolFromSmiles(smiles) if smiles else None
    return None if molecule is None else Chem.MolToSmiles(molecule)


def made_smiles(count: int, seed: int) -> list[str]:
    """Different molecules, each written from a random atom on."""
    rng = np.random.default_rng(seed)
    found: dict[str, str] = {}
    while len(found) < count:
        molecule = Chem.MolFromSmiles(joined(rng))
        if molecule is not None:
            (text,) = Chem.MolToRandomSmilesVect(molecule, 1, int(rng.integers(1 << 30)))
            found.setdefault(Chem.MolToSmiles(molecule), text)
    return list(found.values())


def joined(rng: np.random.Generator) -> str:
    """A ring with a group, or a bridge to another ring, in each of its places."""

    def fill(ring: str, may_bridge: bool) -> str:
        def part(_: re.Match[str]) -> str:
            if may_bridge and rng.random() < 0.5:
                # Digits that the outer ring does not use.
                inner = fill(str(rng.choice(RINGS)), False)
                return str(rng.choice(BRIDGES)) + inner.translate(str.maketrans("12", "34"))
            return str(rng.choice(GROUPS))

        return re.sub(r"\{\}", part, ring)

    return fill(str(rng.choice(RINGS)), True)


def read_smiles(path: Path) -> list[str]:
    """The SMILES of a file.

    Raises:
        CorpusError: a line is no SMILES that RDKit accepts; names it.
    """
    lines = textgen.read_corpus(path).documents[0].rstrip("\n").split("\n")
    for number, line in enumerate(lines, start=1):
        if canonical(line) is None:
            found = f"is {line[:20]!r}, no valid SMILES" if line else "is empty"
            raise CorpusError(f"{path}: line {number} {found}. Give one molecule per line.")
    return lines


def trained(example: Example, texts: list[str]) -> Path:
    """A model of the molecules, with an n-gram memory."""
    path = example.folder / "molecules.txt"
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return textgen.train(
        *(path, example.folder / "run"),
        overwrite=True,
        documents="lines",
        num_layers=1,
        units=8 if example.quick else 256,
        memory=8,
        dropout=0.2,
        epochs=1 if example.quick else 20,
        preview=False,
        quiet=example.quick,
    )


def written(generator: textgen.Generator, count: int) -> list[str]:
    """So many texts, at temperature 1: as the model believes they are distributed."""
    samples = generator.samples("", count, seed=0, length=200, temperature=1.0)
    return [sample.text for sample in samples]


def shares(texts: list[str], known: set[str | None]) -> list[str]:
    """The share that is valid; of these the share that is different, and that is new."""
    valid = [found for text in texts if (found := canonical(text)) is not None]
    if not valid:
        return ["0.0 %", "", ""]
    new = [molecule not in known for molecule in valid]
    counts = len(valid) / len(texts), len(set(valid)) / len(valid), np.mean(new)
    return [percent(float(share)) for share in counts]


def draw(ways: dict[str, list[str]], known: set[str | None], path: Path) -> None:
    """A row of new molecules for each way."""
    molecules, legends = [], []
    for way, texts in ways.items():
        new = [text for text in texts if canonical(text) not in {None, *known}]
        shown = [Chem.MolFromSmiles(text) for text in new[:NUM_DRAWN]]
        # Empty places keep the rows apart.
        molecules += shown + [Chem.Mol()] * (NUM_DRAWN - len(shown))
        legends += [way if shown else ""] + [""] * (NUM_DRAWN - 1)
    picture = rdMolDraw2D.MolDraw2DCairo(NUM_DRAWN * 190, len(ways) * 190, 190, 190)
    picture.DrawMolecules(molecules, legends=legends)
    picture.FinishDrawing()
    path.write_bytes(picture.GetDrawingText())


if __name__ == "__main__":
    run(main)
