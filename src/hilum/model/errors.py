"""Everything that can go wrong, named once, in the words of neither DIMSE nor HTTP.

* HilumError
  + Refused              the caller may not
    - Unauthenticated
    - Forbidden
  + BadRequest           the caller asked wrongly
    - BadQuery
    - BadDataset
    - ClassMismatch
    - StudyMismatch
    - NotAcceptable
    - BadPixels
    - UnsupportedMedia
    - TooLarge
    - Unprocessable
  + NotStorable          a good data set that is not kept
    - Conflict
    - ClassRefused
    - SyntaxRefused
  + InUse                what the caller named is taken, or past changing
    - Stale               it is not what the caller has seen
  + NotOffered           this mount has no backend for the operation
  + NotFound             what was addressed is not there
    - UnknownMount
    - UnknownDestination
  + OutOfResources       we have no room or no time for it now
    - TooMany             this caller asks too much
  + BackendError         the far side failed
    - BackendUnavailable
    - BackendTimeout
    - BackendFault
    - Incomplete          some of what it holds did not come
    - CredentialsRefused  it does not accept ours
    - Vanished            a file was replaced between its look-up and its reading

How each is spoken on the wire is one row in `hilum.codec.verdict`.
"""


class HilumError(Exception):
    """Base of all expected failures. `str(error)` is safe to send to a peer: no patient data."""


class Refused(HilumError):
    """The caller is not allowed."""


class Unauthenticated(Refused):
    """No acceptable credentials were given."""


class Forbidden(Refused):
    """The credentials are good, the permission is missing."""


class BadRequest(HilumError):
    """The caller asked for something malformed."""


class BadQuery(BadRequest):
    """A query key, value or level is not usable."""


class BadDataset(BadRequest):
    """A data set to be stored cannot be understood."""


class ClassMismatch(BadRequest):
    """A data set's SOP Class or Instance UID is not the one that was announced."""


class StudyMismatch(BadRequest):
    """An instance belongs to another study than the one it was sent to."""


class NotAcceptable(BadRequest):
    """None of the representations the caller accepts can be given."""


class BadPixels(NotAcceptable):
    """Pixels that cannot be decoded: cut off, or not what their header says."""


class UnsupportedMedia(BadRequest):
    """The payload is of a media type that is not taken here."""


class TooLarge(BadRequest):
    """The payload is longer than the configured limit."""


class Unprocessable(BadRequest):
    """Well-formed, but it asks for what is not done here."""


class NotStorable(HilumError):
    """A well-formed instance that is not kept."""


class Conflict(NotStorable):
    """Another data set is already kept under the same SOP Instance UID."""


class ClassRefused(NotStorable):
    """The SOP Class is not taken by configuration."""


class SyntaxRefused(NotStorable):
    """The Transfer Syntax is not taken, or not accepted by the far side."""


class InUse(HilumError):
    """What the caller named is there already, or no longer in a state to be changed."""


class Stale(InUse):
    """What the caller named has changed since it was seen."""


class NotOffered(HilumError):
    """The mount has no backend for this operation."""


class NotFound(HilumError):
    """The addressed study, series or instance is not there."""


class UnknownMount(NotFound):
    """No mount has this name."""


class UnknownDestination(NotFound):
    """No peer, mount or URL has this name."""


class OutOfResources(HilumError):
    """No room, or too much at once. Worth a retry."""


class TooMany(OutOfResources):
    """The caller asks more than it may; others may still ask.

    Attributes:
        after: seconds until it may ask again.
    """

    def __init__(self, text: str = "", after: float = 1.0) -> None:
        super().__init__(text)
        self.after = after


class BackendError(HilumError):
    """The far side failed; the caller did nothing wrong."""


class BackendUnavailable(BackendError):
    """The far side could not be reached. Worth a retry."""


class BackendTimeout(BackendError):
    """The far side did not answer in time. Worth a retry."""


class BackendFault(BackendError):
    """The far side answered with a failure of its own."""


class Incomplete(BackendFault):
    """Not everything came that is there.

    Attributes:
        missing: SOP Instance UIDs of what did not come; empty where only their number is known.
        count: how many did not come.
    """

    def __init__(self, text: str, missing: tuple[str, ...] = (), count: int = 0) -> None:
        super().__init__(text)
        self.missing = missing
        self.count = count or len(missing)


class CredentialsRefused(BackendFault):
    """The far side does not accept our credentials: a fault of the configuration."""


class Vanished(BackendFault):
    """The file of an instance was gone when it was to be read. Worth another look, at once.

    Another process may replace an instance between its look-up and its reading.
    """
