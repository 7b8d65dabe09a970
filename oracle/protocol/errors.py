"""Every error that crowdproof raises on purpose.

CrowdproofError
├── BadInput            somebody gave us something wrong: exit 2, nothing was spent or stored
├── Refused             a rule says no: an answer, a proposal, a claim
├── Retryable           try again at the next poll
│   ├── ContentMissing
│   └── ChainUnavailable
└── Fatal               stop: going on could cost money
    ├── ContentMismatch
    ├── CommitteeChanged
    └── WrongChain
"""


class CrowdproofError(Exception):
    """Root of all; its text is made for a person and holds no secret."""


class BadInput(CrowdproofError):
    """Says what is wrong, where (file, line, field) and how to mend it."""


class Refused(CrowdproofError):
    """A rule of the protocol says no; `code` is stable, for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Retryable(CrowdproofError):
    """The world did not answer as hoped; trying again may help."""


class ContentMissing(Retryable):
    """The store does not hold a block."""


class ChainUnavailable(Retryable):
    """The RPC endpoint is down, slow or answers nonsense."""


class Fatal(CrowdproofError):
    """Going on would be wrong."""


class ContentMismatch(Fatal):
    """Bytes that do not hash to the CID under which they were asked for."""


class CommitteeChanged(Fatal):
    """Other members are in office than this process began with: it must be started again."""


class WrongChain(Fatal):
    """The endpoint serves another chain than the deployment names."""
