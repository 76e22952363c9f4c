"""The child's side of `workers`: limits, then one request after another until the parent hangs up.

Requests are pickles (from our own parent), replies are lines of JSON (from a process that has read untrusted text).
"""

import contextlib
import json
import os
import pickle
import resource
import sys
from collections.abc import Callable

Handler = Callable[[object], str | float]


def serve(load: Callable[[], Handler]) -> None:
    """Answer requests with what `load` returns. The command line holds the seconds and the MiB of the limits."""
    seconds, memory_mib = float(sys.argv[1]), int(sys.argv[2])
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints must not stand among the replies
    try:
        handler = load()
    except ImportError as error:
        replies.write(json.dumps({"error": str(error)}) + "\n")
        replies.close()
        return
    limit_memory(memory_mib)
    replies.write(json.dumps("ready") + "\n")
    replies.flush()
    while True:
        try:
            request = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        limit_processor(seconds)
        try:
            reply = handler(request)
        except MemoryError:
            os._exit(1)
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


def limit_memory(mib: int) -> None:
    """An allocation beyond this fails. A crash writes no core file."""
    set_limit(resource.RLIMIT_CORE, 0)
    with contextlib.suppress(ValueError, OSError):  # macOS knows no limit of the address space
        set_limit(resource.RLIMIT_AS, mib * 2**20)


def limit_processor(seconds: float) -> None:
    """The kernel ends a worker that computes on after its parent, which holds the clock, was killed."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    set_limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime + 2 * seconds) + 2)


def set_limit(resource_kind: int, value: int) -> None:
    """Within what the system already set as the most."""
    _, most = resource.getrlimit(resource_kind)
    resource.setrlimit(resource_kind, (value if most == resource.RLIM_INFINITY else min(value, most), most))
