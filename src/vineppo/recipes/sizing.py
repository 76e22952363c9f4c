"""How much memory the embedded engine gets where `engine.memory_gib` says nothing.

It is sized once the learner exists, and the same again when the run goes on, because how many rows decode together
decides the last bits of a result.
"""

from collections.abc import Iterable

from torch import nn
from torch.distributed.tensor import DTensor

from vineppo.engines.limits import Sized
from vineppo.engines.settings import EngineSettings
from vineppo.engines.sharded import ShardedEngine
from vineppo.engines.torch.engine import TorchEngine
from vineppo.engines.torch.memory import default_memory
from vineppo.learner.critic import Critic
from vineppo.processes import Processes
from vineppo.recipes.algorithm import Algorithm
from vineppo.recipes.policy_iteration import PolicyIteration
from vineppo.seams import Engine

TO_COME = 12
"""Bytes of a trained number that its first update makes: gradient and two moments in float32."""


def as_before(engine: EngineSettings, recorded: list[int] | None) -> EngineSettings:
    """Of a pool that goes on: with what its replicas had, of which there must be as many."""
    known = recorded is not None and len(recorded) == engine.pool.replicas
    if recorded is None or not known or engine.memory_gib is not None:
        return engine
    return engine.model_copy(update={"memory_gib": recorded[0] / 2**30})


def embedded(engine: Engine) -> TorchEngine | None:
    """The embedded engine of this process, where there is one."""
    match engine:
        case ShardedEngine():
            return embedded(engine.own)
        case TorchEngine():
            return engine
        case _:
            return None


def size_engine(
    algorithm: Algorithm, recorded: list[int] | None, processes: Processes, *, replicas: int = 0
) -> list[int] | None:
    """Bytes for each process's engine, or each of a pool's replicas, which were recorded or are free now; None where
    there is nothing to size."""
    whole = algorithm.sampler.environment.engine
    engine = embedded(whole)
    if engine is None:
        return [whole.memory_bytes] * replicas if isinstance(whole, Sized) and whole.memory_bytes else None
    if engine.memory_bytes is None:
        known = recorded is not None and len(recorded) == processes.count
        device = algorithm.policy.policy.device
        now = default_memory(device, spoken_for=still_to_come(algorithm))
        engine.allot(recorded[processes.rank] if recorded is not None and known else now)
    return processes.gather(engine.memory_bytes or 0)


def still_to_come(algorithm: Algorithm) -> int:
    """Bytes that the learner takes at its first update."""
    modules: list[nn.Module] = [algorithm.policy.scorer]
    if isinstance(algorithm, PolicyIteration) and isinstance(algorithm.critic, Critic):
        modules.append(algorithm.critic.network)
    return TO_COME * sum(map(_trained, modules))


def _trained(module: nn.Module) -> int:
    return sum(_sizes(module))


def _sizes(module: nn.Module) -> Iterable[int]:
    for parameter in module.parameters():
        if parameter.requires_grad:
            yield parameter.to_local().numel() if isinstance(parameter, DTensor) else parameter.numel()
