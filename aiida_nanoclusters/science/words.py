"""Numbers in words. Imported by the help of commands: nothing slow."""


def counted(number: int, what: str, many: str = "") -> str:
    """Return a number and what is counted, in the singular or the plural, which may be given.

    Examples
    --------
    >>> counted(1, "frame"), counted(3, "frame")
    ('1 frame', '3 frames')
    """
    return f"{number} {what if number == 1 else many or f'{what}s'}"
