"""What a run will need in memory, from the model's shape alone. Torch-free. Of one process, on its device.

P parameters, P' of the backbone, A those that learn (P, or the adapters'), N processes among which FSDP2 cuts up what
is marked / N; c bytes a number in policy.dtype; d, q, k, i, V as in `model_shape`, L layers; T the tokens of the
longest sample, prompt and response; B = min(learner.micro_batch, learner.minibatch, trajectories). In bytes, and when:

    weights                4 A / N, with adapters also c P / N
    AdamW's moments        8 A / N
    gradients              4 A / N               update; of the larger network; always with DDP, which keeps them
    reference              c P / N               learner.kl_coefficient > 0 in the PPO family, without adapters;
                                                 with reference_offload only while it scores
    value network          12 (P' + d + 1) / N   credit ppo; 16 with DDP
    RestEM's copies        4 A / N each          its start, and the best epoch's
    engine                 c P                   the embedded one where weights are cut up, adapted or not float32
    keys and values        2 c L k               a token, while it samples: engine.memory_gib, copies, passes and logits
                                                 included, else half of what the networks leave of the GPU
    vLLM                   e P + keys, values    e of engine.dtype; awake, engine.gpu_memory_share of the whole GPU
    activations            B T a                 forward and backward passes; a: `passes`
    adviser                c P of its own        a critic or proposer on an engine like the run's
    logits                 20 V                  for each of min(learner.logprob_chunk, B x response) positions
    weights in bfloat16    2 P                   during passes, where those that learn are whole and float32
    unsharded              2 c (P - (L - 2) layers)    during passes, where they are cut up: embeddings and 2 layers

tests/config/test_memory.py holds activations against what autograd keeps. The sum leaves out fragmentation, the CUDA
context (about 0.5 GiB), the network's buffers and whatever else runs: take a tenth more.
"""

from vineppo.config.memory.networks import computed, network_parts
from vineppo.config.memory.passes import pass_parts
from vineppo.config.schema import Config
from vineppo.settings.memory import Held, MemoryForecast, Part, Place
from vineppo.settings.model_shape import ModelShape


def forecast_memory(config: Config, shape: ModelShape, place: Place, *, prompt: int) -> MemoryForecast:
    """prompt: tokens of the longest one."""
    longest = min(prompt + config.sampling.max_new_tokens, shape.context)
    rows = min(config.learner.micro_batch, config.learner.minibatch, config.credit.samples_of(config.batch))
    asked = [part for part in advisers(config, place) if isinstance(part, Part)]
    networks, engine = [*network_parts(config, shape, place), *asked], config.engine
    held = Held(
        computed=computed(config),
        apart=place.sharded or config.learner.lora is not None or config.policy.dtype != "float32",
        networks=sum(part.bytes for part in networks if "backward" in part.phases),
    )
    # A pool's replicas are other processes.
    engine_parts = [] if engine.pool.replicas else engine.memory_parts(held, shape, place, longest=longest)
    parts = [
        *networks,
        *engine_parts,
        *pass_parts(config, shape, place, rows=rows, longest=longest),
    ]
    return MemoryForecast(parts=tuple(parts), place=place, longest=longest)


def advisers(config: Config, place: Place) -> list[Part | str]:
    """Of models that are asked in words: what is held of them, or why that cannot be told."""
    credit = config.credit if config.recipe.assigns_credit else None
    asked = [own.asks for own in (config.recipe, credit) if own is not None and own.asks is not None]
    return [found for own in asked if (found := own.memory(gpu=place.gpu)) is not None]
