"""Which TRL this is written for. Its trainer's inner methods change with every minor version, and so must ours."""

from importlib.metadata import PackageNotFoundError, version

from packaging.version import Version

from vineppo.errors import UserError

TESTED = "1.16"


def trl_version() -> str:
    """Of the installed TRL."""
    return version("trl")


def check_trl() -> None:
    """Raise UserError for a TRL that is missing, or another than was tested."""
    try:
        found = trl_version()
    except PackageNotFoundError as error:
        raise UserError("TRL is not installed; install it with: pip install 'vineppo[trl]'") from error
    if (Version(found).major, Version(found).minor) != (Version(TESTED).major, Version(TESTED).minor):
        raise UserError(
            f"TRL is {found}, but vineppo.integrations.trl overrides methods of {TESTED}.x and was tested with no "
            f"other; install it with: pip install 'trl=={TESTED}.*'"
        )
