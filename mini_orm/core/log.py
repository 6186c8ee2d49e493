"""The logger "mini_orm", whose lines most programs never see: `logging` is imported with the first one."""

from __future__ import annotations


def _write(level: str, message: str, args: tuple[object, ...]) -> None:
    import logging  # not free to import

    # Shown as the caller's line: behind this function, and the one that is named for the level.
    logging.getLogger("mini_orm").log(getattr(logging, level), message, *args, stacklevel=3)


def debug(message: str, *args: object) -> None:
    """Write what matters to a closer look only."""
    _write("DEBUG", message, args)


def info(message: str, *args: object) -> None:
    """Write what somebody may want to know."""
    _write("INFO", message, args)


def warning(message: str, *args: object) -> None:
    """Write what went another way than it should."""
    _write("WARNING", message, args)


def error(message: str, *args: object) -> None:
    """Write what could not go on."""
    _write("ERROR", message, args)
