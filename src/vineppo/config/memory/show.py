"""The forecast for people."""

from vineppo.config.memory.forecast import advisers, forecast_memory
from vineppo.config.schema import Config
from vineppo.launch import Launch
from vineppo.settings.memory import ALWAYS, MemoryForecast, Phase, Place, in_words
from vineppo.settings.model_shape import ModelShape

TOTALS: tuple[Phase, ...] = ("sample", "backward", "step")
"""Scoring by the reference holds less than a backward pass."""


def render_memory(forecast: MemoryForecast) -> list[str]:
    """A plain-text table."""
    rows = [(part.name, in_words(part.bytes), when(part.phases), part.made_of) for part in forecast.parts]
    rows += [("total", in_words(forecast.during(phase)), phase, "") for phase in TOTALS]
    first, second, third = (max(len(row[column]) for row in rows) for column in range(3))
    return [f"{a:<{first}}  {b:>{second}}  {c:<{third}}  {d}".rstrip() for a, b, c, d in rows]


def when(phases: tuple[Phase, ...]) -> str:
    """In which phases."""
    return "always" if phases == ALWAYS else ", ".join(phases)


def render_forecast(config: Config, shape: ModelShape | str, launch: Launch) -> str:
    """For `--dry-run`: the forecast with what it assumes, or why there is none."""
    if isinstance(shape, str):
        return f"Memory: no forecast for policy.path {config.policy.path}: {shape}."
    place = Place(processes=launch.count, sharded=launch.sharded, gpu=config.policy.device != "cpu")
    prompt, unknown = config.task.longest_prompt, [own for own in advisers(config, place) if isinstance(own, str)]
    return "\n".join(
        [
            f"memory of {place.words}, {config.policy.path} ({shape.parameters:,} parameters, from {shape.origin})",
            *render_memory(forecast_memory(config, shape, place, prompt=prompt)),
            f"Assumed: the longest prompt has {prompt:,} tokens, and its response the full "
            f"{config.sampling.max_new_tokens:,}. `vineppo doctor` reads the prompts.",
            *(f"Not in it: the adviser. {reason}." for reason in unknown),
        ]
    )
