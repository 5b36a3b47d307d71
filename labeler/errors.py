"""Errors a person can act on: each says what is wrong, where, and what to do."""


class LabelerError(Exception):
    """A failure that is told to the user as one sentence, without a traceback.

    `str(error)` is the whole message. Raise it with what happened, where, and what to do about it;
    chain the technical cause with `from`, which goes to the log only.
    """


class ImageError(LabelerError):
    """An image that cannot be shown: missing, not an image, damaged, or too large to decode."""


class ProjectError(LabelerError):
    """A project file that cannot be opened, read or written."""


class ProjectLockedError(ProjectError):
    """Another running instance holds the project; the message says who, where and since when."""


class CannotWriteError(ProjectError):
    """A project that cannot be written to for now; it may still be looked at."""


class FormatError(LabelerError):
    """A labels file that cannot be read or written as a whole."""


class UnclearIdsError(FormatError):
    """Results whose ids mean other images in one imported labels file than in another."""


class ModelError(LabelerError):
    """A model that cannot be loaded or run."""


class PluginError(LabelerError):
    """A plugin that cannot be imported, or that does not keep the plugin contract."""


class ImportStoppedError(FormatError):
    """An import that a person stopped before anything of it was written."""


class ExportStoppedError(FormatError):
    """An export that a person stopped before anything of it was in its place."""
