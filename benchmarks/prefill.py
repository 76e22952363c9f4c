"""Prefill of questions that begin alike: as padded rows, and as a trie that computes and holds what they share once.

    OMP_NUM_THREADS=1 python benchmarks/prefill.py
    OMP_NUM_THREADS=1 python benchmarks/prefill.py --policies llama-135m --shared 60 --own 30 --questions 16

By turns, `--repeats` times: processor seconds, median and range, and the bytes of keys and values that are held
afterwards. "engine" is what the engine takes.
"""

import argparse
import random
import time
from statistics import median

from update import CONTEXT, MIB, model_of
from vineppo.engines.torch.prefill import prefill, prefill_rows, prefill_trees
from vineppo.engines.torch.trunks import Pieces

WAYS = {"rows": prefill_rows, "trie": prefill_trees, "engine": prefill}


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--policies", nargs="+", default=("bundled:arithmetic", "llama-135m"))
    add("--questions", type=int, default=16)
    add("--shared", type=int, default=300, help=f"tokens that all begin with (300); with their own at most {CONTEXT}")
    add("--own", type=int, default=30)
    add("--repeats", type=int, default=5)
    return parser.parse_args()


def held(prefilled: list[Pieces]) -> int:
    """Bytes of all pieces, each once."""
    return sum(piece.planes.nbytes for piece in {piece for pieces in prefilled for piece, _ in pieces})


def main() -> None:
    """A table."""
    asked = arguments()
    print("| policy | way | processor seconds | range | MiB held |")
    print("|---|---|---|---|---|")
    for policy in asked.policies:
        model, rng = model_of(policy, "cpu"), random.Random(0)
        vocabulary = model.config.get_text_config().vocab_size
        shared = [rng.randrange(vocabulary) for _ in range(asked.shared)]
        own = [[rng.randrange(vocabulary) for _ in range(asked.own)] for _ in range(asked.questions)]
        prompts, sizes = [tuple(shared + rest) for rest in own], dict[str, int]()
        found: dict[str, list[float]] = {way: [] for way in WAYS}
        for _ in range(asked.repeats):
            for way, work in WAYS.items():
                began = time.process_time()
                prefilled = work(model, prompts)
                found[way].append(time.process_time() - began)
                sizes[way] = held(prefilled)
        for way, times in found.items():
            spread = f"{min(times):.3g} to {max(times):.3g}"
            print(f"| {policy} | {way} | {median(times):.3g} | {spread} | {sizes[way] / MIB:.1f} |", flush=True)


if __name__ == "__main__":
    main()
