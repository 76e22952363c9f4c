r"""How fast the embedded engine samples within budgets of memory, in tokens per second of the processor.

    OMP_NUM_THREADS=1 python benchmarks/engine_memory.py --mib none 64 16
    OMP_NUM_THREADS=1 python benchmarks/engine_memory.py --mib none 64 32 --shared 300
    OMP_NUM_THREADS=1 python benchmarks/engine_memory.py --mib none 32 --shared 300 --questions 64 --trajectories 1 \
        --rollouts 0

24 trajectories of 100 tokens, then 6 rollouts of 48 tokens from every tenth token of each, from a random Llama of four
layers (2 KiB of keys and values a token). Nothing ends early, so every budget decodes the same number of tokens. Kept:
trajectories whose keys and values wait for their rollouts, and for how many tokens; what they share counts once.
"""

import argparse
import time

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from vineppo.engines.torch.engine import TorchEngine
from vineppo.types import Completion, Request, Sampling

LAW = Sampling(max_new_tokens=100)
EVERY, LENGTH = 10, 48


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", nargs="+", default=["none", "64", "16"], help="budgets; none: the engine's own choice")
    parser.add_argument("--repeats", type=int, default=2, help="of which the best counts (2)")
    parser.add_argument("--shared", type=int, default=0, help="tokens that all prompts begin with besides (0)")
    parser.add_argument("--questions", type=int, default=6)
    parser.add_argument("--trajectories", type=int, default=4, help="of each question (4)")
    parser.add_argument("--rollouts", type=int, default=6, help="from each state (6)")
    given = parser.parse_args()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=1000,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
    )
    model = LlamaForCausalLM(config).eval()
    for mib in given.mib:
        memory = None if mib == "none" else int(mib) * 2**20
        engine = TorchEngine(model, end_ids=[], context=512, memory_bytes=memory)
        found = [timed(engine, given) for _ in range(given.repeats)]
        tokens, seconds, kept = min(found, key=lambda one: one[1])
        print(f"{mib:>6} MiB  {tokens} tokens  {tokens / seconds:,.0f} a second  kept: {kept}", flush=True)


def timed(engine: TorchEngine, given: argparse.Namespace) -> tuple[int, float, str]:
    """Tokens decoded, seconds of the processor, and what was kept."""
    started = time.process_time()
    prompts = [(*range(100, 100 + given.shared), *range(5 + i, 35 + i)) for i in range(given.questions)]
    asked = [Request(prefix=p, count=given.trajectories, seed=i, branches=True) for i, p in enumerate(prompts)]
    trajectories = engine.sample(asked, LAW)
    kept = f"{engine.trie.trajectories} trajectories, {engine.trie.kept_tokens:,} tokens"
    states = [
        Request(prefix=prompt + one.token_ids[:cut], count=given.rollouts, seed=cut, max_new_tokens=LENGTH)
        for prompt, group in zip(prompts, trajectories, strict=True)
        for one in group
        for cut in range(EVERY, len(one.token_ids) - 1, EVERY)
    ]
    rollouts = engine.sample(states, LAW)
    engine.load_weights({}, policy_version=1)
    return tokens_of(trajectories) + tokens_of(rollouts), time.process_time() - started, kept


def tokens_of(groups: list[tuple[Completion, ...]]) -> int:
    return sum(len(completion.token_ids) for group in groups for completion in group)


if __name__ == "__main__":
    main()
