"""Ctrl-C and SIGTERM: at once outside, at the end of a deferred block, at once when insisted on."""

import signal
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from vineppo.processes import Processes
from vineppo.recipes.interrupt import INSISTING, SIGNALS, Interrupt


def signalled(interrupt: Interrupt, numbers: list[signal.Signals], done: list[str]) -> None:
    """A deferred block in which signals arrive, one after the other."""
    with interrupt.deferred():
        for count, number in enumerate(numbers, start=1):
            signal.raise_signal(number)
            done.append(f"went on after signal {count}")
    done.append("after the block")


class Refusing(list[str]):
    """Nothing can be added."""

    def append(self, text: str) -> None:
        raise ValueError(text)


BOTH = pytest.mark.parametrize("number", SIGNALS)


@pytest.fixture
def interrupt() -> Iterator[Interrupt]:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # these tests may run under nohup
    made = Interrupt()
    with made.installed():
        yield made
    signal.signal(signal.SIGHUP, before)


@BOTH
def test_a_signal_stops_at_once_where_nothing_is_deferred(interrupt: Interrupt, number: signal.Signals):
    done = []
    with pytest.raises(KeyboardInterrupt):
        done += ["before", signal.raise_signal(number), "after"]
    assert done == []


@BOTH
def test_a_deferred_signal_stops_when_the_block_is_over(
    interrupt: Interrupt, number: signal.Signals, capsys: pytest.CaptureFixture[str]
):
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        signalled(interrupt, [number], done)
    assert done == ["went on after signal 1"]
    assert "finishing this iteration" in capsys.readouterr().out


@pytest.mark.parametrize("second", SIGNALS)
def test_a_second_signal_does_not_wait(interrupt: Interrupt, second: signal.Signals):
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        signalled(interrupt, [signal.SIGINT, second], done)
    assert done == ["went on after signal 1"]


def test_a_block_without_signals_ends_quietly_and_the_next_signal_is_immediate(interrupt: Interrupt):
    with interrupt.deferred():
        pass
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_an_error_in_the_block_wins_over_the_signal_that_waited(interrupt: Interrupt):
    done = Refusing()
    with pytest.raises(ValueError, match="went on after signal 1"):
        signalled(interrupt, [signal.SIGINT], done)


@pytest.mark.parametrize("failure", [None, KeyboardInterrupt, ValueError])
def test_the_handlers_from_before_are_put_back(failure: type[BaseException] | None):
    def mine(number: int, frame: object) -> None: ...

    original = [signal.signal(number, mine) for number in SIGNALS]
    try:
        with suppress(KeyboardInterrupt, ValueError), Interrupt().installed():
            within = [signal.getsignal(number) for number in SIGNALS]
            if failure:
                raise failure
        after = [signal.getsignal(number) for number in SIGNALS]
    finally:
        for number, handler in zip(SIGNALS, original, strict=True):
            signal.signal(number, handler)
    assert mine not in within
    assert after == [mine, mine]


def test_another_thread_leaves_the_handlers_as_they_are():
    before, found = signal.getsignal(signal.SIGINT), []

    def work() -> None:
        made = Interrupt()
        with made.installed(), made.deferred():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [before]


class Pair(Processes):
    """The other process was told nothing."""

    def any(self, own: bool) -> bool:
        return own


@BOTH
def test_one_of_several_processes_stops_only_where_all_can(number: signal.Signals, capsys: pytest.CaptureFixture[str]):
    made = Interrupt(Pair(rank=0, count=2))
    with made.installed():
        made.agreed()
        signal.raise_signal(number)
        signal.raise_signal(number)  # as launchers pass on what all were sent anyway
        with made.deferred():
            pass
        with pytest.raises(KeyboardInterrupt):
            made.agreed()
        made.agreed()
    assert capsys.readouterr().out.count("stopping as soon as all processes can") == 1


def test_insisting_stops_one_of_several_at_once(monkeypatch: pytest.MonkeyPatch):
    seconds = iter([100.0, 100.0 + INSISTING])
    monkeypatch.setattr("vineppo.recipes.interrupt.time.monotonic", lambda: next(seconds))
    made = Interrupt(Pair(rank=1, count=2))
    with made.installed():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_where_all_is_saved_nothing_is_waited_for(interrupt: Interrupt, number: signal.Signals):
    done: list[str] = []

    def work() -> None:
        with interrupt.deferred(saved=True):
            signal.raise_signal(number)
            done.append("went on")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == []


def test_ctrl_c_still_waits_for_the_iteration(interrupt: Interrupt):
    done: list[str] = []

    def work() -> None:
        with interrupt.deferred(saved=True):
            signal.raise_signal(signal.SIGINT)
            done.append("went on")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["went on"]


def test_a_hangup_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under nohup
    try:
        with Interrupt().installed():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
