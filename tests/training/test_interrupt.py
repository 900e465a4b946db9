"""The first signal asks, the second acts."""

import signal
import threading

import pytest

from dinoseg.training.interrupt import SIGNALS, Interrupt


@pytest.mark.parametrize("number", SIGNALS)
def test_d53_f93_a_signal_only_asks_and_the_next_one_acts(number):
    acted = []
    before = signal.signal(number, lambda *_: acted.append(number))
    try:
        with Interrupt() as interrupt:
            assert not interrupt.asked
            signal.raise_signal(number)
            assert interrupt.asked
            assert not acted
            signal.raise_signal(number)
            assert acted == [number]
    finally:
        signal.signal(number, before)


def test_what_may_be_left_at_any_time_ends_at_once():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interrupt() as interrupt:
            with interrupt.at_once():
                pass
            with pytest.raises(KeyboardInterrupt), interrupt.at_once():
                signal.raise_signal(signal.SIGINT)
            assert interrupt.asked
            with pytest.raises(KeyboardInterrupt), interrupt.at_once():  # one that came before
                raise AssertionError("begun all the same")
    finally:
        signal.signal(signal.SIGINT, before)


def test_signals_are_given_back():
    before = [signal.getsignal(number) for number in SIGNALS]
    with Interrupt():
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_other_threads_go_without():
    asked = []

    def work() -> None:
        with Interrupt() as interrupt:
            asked.append(interrupt.asked)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert asked == [False]
