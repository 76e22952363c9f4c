"""A map of where step credit pays: gradient noise per decoded token on families of chains whose gradient is known
exactly, then training runs that check whether the noise foretells which method is faster. Writes docs/map.md.

    python benchmarks/credit_map.py            # about 20 minutes on one core
    python benchmarks/credit_map.py --quick    # three chains, about 2 minutes; writes to build/credit_map alone
    python benchmarks/credit_map.py --optimizers adam sgd

No network is trained: policies are tables. Stopped, the same command continues; finished points are not computed again.
"""

import argparse
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from chain_map.family import Chain
from chain_map.methods import METHODS, TRAINED_METHODS, Method
from chain_map.noise import Loudness, Precision, loudness
from chain_map.page import write
from chain_map.plan import FAMILIES, QUICK, TRAINED, chains
from chain_map.results import Results
from chain_map.store import Store
from chain_map.training import Optimizer, Run, on_the_way
from chain_map.tuning import FIRST_RATES, Seeds, Trained, tuned
from vineppo.rng import derive_seed

ROOT = Path(__file__).resolve().parents[1]
WAY = (0.0, 0.5)
"""Where on the way to the target the noise is asked for that training is held against."""
Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class Form:
    """How careful."""

    home: Path
    docs: Path
    chains: Sequence[Chain]
    trained: Sequence[Chain]
    precision: Precision
    seeds: Seeds
    optimizers: Sequence[Optimizer] = ("adam",)


FULL = Form(
    home=ROOT / "benchmarks/results/map",
    docs=ROOT / "docs",
    chains=chains(),
    trained=TRAINED,
    precision=Precision(),
    seeds=Seeds(),
)
SHORT = Form(
    home=ROOT / "build/credit_map",
    docs=ROOT / "build/credit_map",
    chains=QUICK,
    trained=QUICK[1:],
    precision=Precision(error=0.05, seconds=0.5, fair=0.1, most_seconds=1.0),
    seeds=Seeds(tuning=3, test=6),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--optimizers", nargs="+", choices=list(FIRST_RATES), default=["adam"])
    arguments = parser.parse_args()
    form = replace(SHORT if arguments.quick else FULL, optimizers=arguments.optimizers)
    trained_methods = [own for own in METHODS if own.name in TRAINED_METHODS]
    noise = {
        (chain.name, method.name): found
        for chain, method, found in measure(form, Store(form.home / "noise.jsonl", Loudness))
    }
    foretold = {
        (chain.name, method.name, share): found
        for chain, method, share, found in foretell(
            form, trained_methods, Store(form.home / "foretold.jsonl", Loudness)
        )
    }
    training: dict[tuple[str, str, Optimizer], Trained] = {
        (chain.name, method.name, optimizer): found
        for chain, method, optimizer, found in train_all(
            form, trained_methods, Store(form.home / "training.jsonl", Run)
        )
    }
    results = Results(chains=form.chains, trained=form.trained, noise=noise, foretold=foretold, training=training)
    print(write(results, FAMILIES, form.docs, form.home))


def measure(form: Form, store: Store[Loudness]) -> Iterator[tuple[Chain, Method, Loudness]]:
    """Every method on every chain at its start."""
    points = [(chain, method) for chain in form.chains for method in METHODS]
    for chain, method in progress("noise", points):
        seed = derive_seed("noise", chain.name, method.name)
        compute = partial(loudness, chain, chain.start(), method, form.precision, seed)
        yield chain, method, store.get((chain.name, method.name), compute)


def foretell(
    form: Form, methods: Sequence[Method], store: Store[Loudness]
) -> Iterator[tuple[Chain, Method, float, Loudness]]:
    """The noise at points on the way of training."""
    points = [(chain, method) for chain in form.trained for method in methods]
    ways = {chain: list(zip(WAY, on_the_way(chain, WAY), strict=True)) for chain in form.trained}
    for chain, method in progress("noise on the way", points):
        for share, logits in ways[chain]:
            seed = derive_seed("way", chain.name, method.name, str(share))
            compute = partial(loudness, chain, logits, method, form.precision, seed)
            yield chain, method, share, store.get((chain.name, method.name, share), compute)


def train_all(
    form: Form, methods: Sequence[Method], store: Store[Run]
) -> Iterator[tuple[Chain, Method, Optimizer, Trained]]:
    """Tuned and tested."""
    points = [(chain, method, own) for own in form.optimizers for chain in form.trained for method in methods]
    for chain, method, optimizer in progress("training", points):
        yield chain, method, optimizer, tuned(store, chain, method, optimizer, form.seeds)


def progress(title: str, items: Sequence[Item]) -> Iterable[Item]:
    """A line now and then: how much is done, and how long the rest should take."""
    begun = told = time.monotonic()
    for done, item in enumerate(items):
        now = time.monotonic()
        if done and (now - told > 10):
            told = now
            left = (now - begun) / done * (len(items) - done)
            print(
                f"  {title}: {done}/{len(items)}  {(now - begun) / 60:.1f} min, about {left / 60:.1f} left", flush=True
            )
        yield item
    print(f"{title}: {len(items)} done, {(time.monotonic() - begun) / 60:.1f} min", flush=True)


if __name__ == "__main__":
    main()
