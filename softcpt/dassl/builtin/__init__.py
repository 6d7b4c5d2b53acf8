"""The folder that ``activate()`` puts on ``sys.path``. It is a package only so that installers take
it along."""
