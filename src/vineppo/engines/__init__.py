"""Whatever samples continuations of token prefixes.

`settings.py` has what is asked of every engine, `build.py` makes one or several. `torch/` is the embedded engine,
`vllm/` vLLM, `ray_pool/` several of either side by side; `sharded.py` shares one out among processes, `fake.py` is an
explicit law for tests. `agreement.py` tells whether an engine samples from the policy that the trainer has.
"""
