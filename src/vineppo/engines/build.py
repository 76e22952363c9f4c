"""From the settings of an engine to the engine, or to several of them side by side."""

from vineppo.engines.settings import EngineSettings, PoolConfig
from vineppo.errors import UserError
from vineppo.policy import Policy
from vineppo.seams import Engine


def build_engine(engine: EngineSettings, policy: Policy) -> Engine:
    """In this process, or a pool of processes of their own."""
    return build_pool(engine, policy) if engine.pool.replicas else engine.build(policy)


def alone(engine: EngineSettings) -> EngineSettings:
    """The same for another policy: in this process, and as long as that policy's context."""
    return engine.model_copy(update={"pool": PoolConfig(), "context": None})


def build_pool(engine: EngineSettings, policy: Policy) -> Engine:
    """`engine.pool.replicas` of what the settings build."""
    if ":" in engine.called:
        raise UserError(
            f"engine is {engine.called}, whose class a pool's processes would not find; set engine.pool.replicas to 0"
        )
    from vineppo.engines.ray_pool.maker import ReplicaMaker
    from vineppo.engines.ray_pool.pool import RayPool

    pool, model = engine.pool, policy.model
    make = ReplicaMaker(
        architecture=model.config,
        dtype=model.dtype,
        generation=model.generation_config,
        tokenizer=policy.tokenizer,
        engine=engine,
        device="cuda" if pool.gpus else "cpu",
        # Of the processor's memory all that may be on one machine get a share alike.
        neighbours=max(1, int(1 / pool.gpus)) if pool.gpus else pool.replicas,
    )
    return RayPool(
        make,
        model.state_dict(),
        replicas=pool.replicas,
        address=pool.address,
        timeout=pool.timeout,
        cpus=pool.cpus,
        gpus=pool.gpus,
    )
