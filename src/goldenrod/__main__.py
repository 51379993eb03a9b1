"""The program `goldenrod`, also `python -m goldenrod`: the command line.

Ctrl-C ends the process at once while it loads the command line and while it exits, when Python would
print a traceback.
"""

import signal


def run() -> None:
    """Run the command in the arguments, and exit with its code."""
    # In the background, a shell may have set Ctrl-C to be ignored; that stays.
    can_interrupt = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if can_interrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from goldenrod.cli.main import main

    if not can_interrupt:
        main()  # It exits, and does not return.
    try:
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            main()
        finally:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
    except KeyboardInterrupt:  # While the handler was being changed.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.raise_signal(signal.SIGINT)


if __name__ == "__main__":
    run()
