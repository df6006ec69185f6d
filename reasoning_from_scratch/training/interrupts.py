"""Ctrl-C that waits for the end of a training step."""

import contextlib
import signal
import threading


@contextlib.contextmanager
def deferred_interrupt():
    """Note the first Ctrl-C instead of raising; a second one raises.

    Yields a `threading.Event` that is set once the user asked to stop, so
    that a loop can finish its step and save. Outside the main thread, where
    no signal can be caught, it is never set.
    """
    requested = threading.Event()

    def note(signum, frame):
        if requested.is_set():
            raise KeyboardInterrupt
        requested.set()

    if threading.current_thread() is not threading.main_thread():
        yield requested
        return
    previous = signal.signal(signal.SIGINT, note)
    try:
        yield requested
    finally:
        signal.signal(signal.SIGINT, previous)
