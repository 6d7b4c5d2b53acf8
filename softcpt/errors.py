"""The one exception that means "the user can fix this"."""


class UserError(Exception):
    """A mistake outside the program: a missing file, a misspelt key, a data set that is not there.

    The message names the thing, the place and the remedy in one line. Command lines print it
    without a traceback and exit with status 2; ``--debug`` shows the traceback.

    Example:
        >>> try:
        ...     softcpt.Task("pets", [])
        ... except softcpt.UserError as error:
        ...     print(error)
        task 'pets': it has no classes; give at least one class name
    """
