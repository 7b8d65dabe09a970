"""Who is in office: follows the committee from one that is known to the one of now, whatever the endpoint says.

A change counts only with the signatures of a quorum of the members before it, which its event carries: an endpoint cannot appoint
anybody, so nobody seals an answer to its keys.
"""

from collections.abc import Sequence
from dataclasses import replace

from oracle.protocol.deployment import Deployment
from oracle.protocol.errors import Fatal
from oracle.protocol.events import ChangeProposed
from oracle.protocol.keys import BadSignature, recover
from oracle.protocol.messages import Change, digest
from oracle.protocol.state import Term

SIGNATURE = 65


def successor(deployment: Deployment, terms: Sequence[Term]) -> Deployment:
    """The deployment with the last of the terms; the same object if nothing changed. Raises Fatal for an unsigned change."""
    known = [i for i, term in enumerate(terms) if _with(deployment, term) == deployment]
    for term in terms[known[-1] + 1 if known else 0 :]:
        if term.appointed is None or not appoints(deployment, term.appointed):
            raise Fatal(
                "the chain shows a committee that the one of deployment.json did not appoint: a lie, or another home"
            )
        deployment = _with(deployment, term)
    return deployment


def appoints(deployment: Deployment, change: ChangeProposed) -> bool:
    """Whether a quorum of the deployment's members signed the change."""
    message = Change(change.number, change.digest, change.valid_until)
    signed = digest(deployment.committee_domain(), message)
    parts = range(0, len(change.signatures), SIGNATURE)
    try:
        signers = {recover(signed, change.signatures[i : i + SIGNATURE]) for i in parts}
    except BadSignature:
        return False
    return len(signers & set(deployment.committee.members)) >= deployment.committee.quorum


def _with(deployment: Deployment, term: Term) -> Deployment:
    return replace(deployment, committee=term.committee(deployment.committee.address))
