"""User mistakes under the exception types that callers of Dassl catch."""

from softcpt.errors import UserError


class UnavailableError(UserError, ValueError):
    """A name that is not among the available ones."""


class MissingFileError(UserError, FileNotFoundError):
    """A file that is needed and not there."""


class MissingImageError(UserError, AssertionError):
    """An image listed by a data set and not there."""
