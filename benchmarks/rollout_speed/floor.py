"""The floor: work that no engine can avoid for a workload of rollouts, whatever it does.

Counted, with s the bytes of a value, for L layers of H heads (G of keys and values) of size D, W weights in the layers'
products and U in the output embedding, and M = 2 L G D s the bytes of one token's keys and values:

* *Trunks.* Each trajectory is fed once, up to its longest state: 2 W operations a token, and 4 L H D t for the t-th
  token's attention; 2 U for each state's logits, which already give its rollouts' first tokens. Bytes: all weights once
  for all trajectories together, and M a token to keep its keys and values.
* *Decode.* At step j = 1, 2, ... each rollout that is longer than j feeds its j-th token: 2 (W + U) operations, and
  4 L H D (prefix + j) for its attention. Bytes: all weights once a step, however many rollouts; each trajectory's
  keys and values once a step, up to the longest state that still decodes, not once a rollout; each rollout's own
  branch, j - 1 tokens read and one written, j M.

A multiplication and its addition are two operations. Left out, as they need not touch memory or are small: activations,
norms, rotations, softmax, sampling (the logits' softmax can be fused with their product) and input embeddings.

The floor in seconds is the larger of bytes / bandwidth and operations / speed, both roofs measured (roofs.py). It is a
floor for weights, keys and values that stream from memory. What fits in a cache can be read faster; for a model of a
few megabytes it is the operations that bind. Pure functions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rollout_speed.results import Work
from rollout_speed.workload import Workload


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """Of a decoder-only transformer, as far as the floor depends on it."""

    layers: int
    heads: int
    key_value_heads: int
    head_size: int
    layer_weights: int
    """W, of all layers together."""
    output_weights: int
    """U: hidden size x vocabulary."""
    value_bytes: int
    """s: 4 for float32, 2 for bfloat16."""

    @property
    def token_bytes(self) -> int:
        """M."""
        return 2 * self.layers * self.key_value_heads * self.head_size * self.value_bytes

    @property
    def weight_bytes(self) -> int:
        """Of all that is read to feed a token and get its logits."""
        return (self.layer_weights + self.output_weights) * self.value_bytes

    @property
    def attention(self) -> int:
        """Operations for one token to attend to one token: 4 L H D."""
        return 4 * self.layers * self.heads * self.head_size


def gated_shape(
    *, layers: int, hidden: int, intermediate: int, heads: int, key_value_heads: int, vocabulary: int, value_bytes: int
) -> Shape:
    """A Llama or Qwen2: heads of hidden / heads, an MLP of three products."""
    size = hidden // heads
    attention = 2 * hidden * heads * size + 2 * hidden * key_value_heads * size
    return Shape(
        layers=layers,
        heads=heads,
        key_value_heads=key_value_heads,
        head_size=size,
        layer_weights=layers * (attention + 3 * hidden * intermediate),
        output_weights=hidden * vocabulary,
        value_bytes=value_bytes,
    )


def floor(shape: Shape, workload: Workload, lengths: Sequence[int]) -> Work:
    """Of the whole workload. `lengths`: decoded tokens of each rollout, in the order of its prefixes."""
    rollouts = _by_trajectory(workload, lengths)
    work = trunk_work(shape, workload.states)
    for step in range(1, max(lengths)):
        work += decode_work(shape, rollouts, step)
    return work


def trunk_work(shape: Shape, states: Sequence[Sequence[int]]) -> Work:
    """Of feeding every trajectory once. `states`: for each the lengths of its prefixes."""
    tokens = sum(map(max, states))
    pairs = sum(max(prefixes) * (max(prefixes) + 1) // 2 for prefixes in states)
    return Work(
        bytes=shape.weight_bytes + tokens * shape.token_bytes,
        operations=2 * shape.layer_weights * tokens
        + shape.attention * pairs
        + 2 * shape.output_weights * sum(map(len, states)),
    )


def decode_work(shape: Shape, rollouts: Sequence[Sequence[tuple[int, int]]], step: int) -> Work:
    """Of feeding each rollout its `step`-th token. `rollouts`: (prefix, length) of each, by trajectory."""
    going = [[prefix for prefix, length in group if length > step] for group in rollouts]
    rows = sum(map(len, going))
    trunk_tokens = sum(max(prefixes) for prefixes in going if prefixes)
    pairs = sum(map(sum, going)) + rows * step
    return Work(
        bytes=shape.weight_bytes + (trunk_tokens + rows * step) * shape.token_bytes,
        operations=2 * (shape.layer_weights + shape.output_weights) * rows + shape.attention * pairs,
    )


def shared_bytes(shape: Shape, workload: Workload, lengths: Sequence[int]) -> int:
    """Keys and values of all trunks, once each, and of all rollouts' own tokens."""
    return shape.token_bytes * (sum(map(max, workload.states)) + sum(lengths))


def separate_bytes(shape: Shape, workload: Workload, lengths: Sequence[int]) -> int:
    """Keys and values if every rollout had its own of its whole sequence."""
    rollouts = _by_trajectory(workload, lengths)
    return shape.token_bytes * sum(prefix + length for group in rollouts for prefix, length in group)


def _by_trajectory(workload: Workload, lengths: Sequence[int]) -> list[list[tuple[int, int]]]:
    """(prefix, length) of each rollout."""
    remaining = iter(lengths)
    return [
        [(prefix, next(remaining)) for prefix in states for _ in range(workload.rollouts)] for states in workload.states
    ]
