"""Prefill of questions that begin alike: as padded rows, and as a trie that computes and holds what they share once.

    OMP_NUM_THREADS=1 python benchmarks/prefill.py
    OMP_NUM_THREADS=1 python benchmarks/prefill.py --policies llama-135m --shared 60 --own 30 --questions 16
    OMP_NUM_THREADS=1 python benchmarks/prefill.py --questions 64 --together 2048

By turns, `--repeats` times: processor seconds, median and range, tokens that went through the model, and the bytes of
keys and values that are held afterwards. "trie" shares within a pass; "over passes" is what the engine does: a pass
finds what those before it made.
"""

import argparse
import random
import time
from collections.abc import Callable, Sequence
from statistics import median

from transformers import PreTrainedModel

from update import CONTEXT, MIB, model_of
from vineppo.engines.torch.prefill import PREFILL_TOKENS, prefill, prefill_missing, prefill_rows
from vineppo.engines.torch.trie import Trie, find_trunks
from vineppo.engines.torch.trunks import Pieces, present

Prompts = Sequence[tuple[int, ...]]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--policies", nargs="+", default=("bundled:arithmetic", "llama-135m"))
    add("--questions", type=int, default=16)
    add("--shared", type=int, default=300, help=f"tokens that all begin with (300); with their own at most {CONTEXT}")
    add("--own", type=int, default=30)
    add("--together", type=int, default=PREFILL_TOKENS, help=f"tokens of a pass ({PREFILL_TOKENS:,})")
    add("--repeats", type=int, default=5)
    return parser.parse_args()


def in_passes(work: Callable[[PreTrainedModel, Prompts], list[Pieces]]) -> Callable[..., list[Pieces]]:
    """So many prompts in a pass that they have at most so many tokens; passes know nothing of each other."""

    def all_passes(model: PreTrainedModel, prompts: Prompts, *, together: int) -> list[Pieces]:
        several = max(1, together // len(prompts[0]))
        return [own for at in range(0, len(prompts), several) for own in work(model, prompts[at : at + several])]

    return all_passes


def over_passes(model: PreTrainedModel, prompts: Prompts, *, together: int) -> list[Pieces]:
    """As the engine does."""
    trie = Trie(max_kept=0)
    trunks = find_trunks(prompts, trie)
    prefill_missing(model, list(trunks.values()), trie, together=together)
    return [present(trunks[prompt]) for prompt in prompts]


WAYS = {"rows": in_passes(prefill_rows), "trie": in_passes(prefill), "over passes": over_passes}


def held(prefilled: list[Pieces]) -> int:
    """Bytes of all pieces, each once."""
    return sum(piece.planes.nbytes for piece in {piece for pieces in prefilled for piece, _ in pieces})


def main() -> None:
    """A table."""
    asked = arguments()
    print("| policy | way | processor seconds | range | tokens fed | MiB held |")
    print("|---|---|---|---|---|---|")
    for policy in asked.policies:
        model, rng = model_of(policy, "cpu"), random.Random(0)
        vocabulary = model.config.get_text_config().vocab_size
        shared = [rng.randrange(vocabulary) for _ in range(asked.shared)]
        own = [[rng.randrange(vocabulary) for _ in range(asked.own)] for _ in range(asked.questions)]
        prompts, sizes = [tuple(shared + rest) for rest in own], dict[str, str]()
        found: dict[str, list[float]] = {way: [] for way in WAYS}
        fed = [0]
        model.base_model.register_forward_pre_hook(
            lambda module, args, given, fed=fed: fed.append(given["input_ids"].numel()), with_kwargs=True
        )
        for _ in range(asked.repeats):
            for way, work in WAYS.items():
                fed.clear()
                began = time.process_time()
                prefilled = work(model, prompts, together=asked.together)
                found[way].append(time.process_time() - began)
                sizes[way] = f"{sum(fed):,} in {len(fed)} | {held(prefilled) / MIB:.1f}"
        for way, times in found.items():
            spread = f"{min(times):.3g} to {max(times):.3g}"
            print(f"| {policy} | {way} | {median(times):.3g} | {spread} | {sizes[way]} |", flush=True)


if __name__ == "__main__":
    main()
