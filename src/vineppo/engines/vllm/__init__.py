"""vLLM as an engine. Only `engine`, `law` and `worker` import it, and `start` only when it starts one."""
