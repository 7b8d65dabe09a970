"""A recorded crowd at work: `crowdproof demo` plays its requester and its workers against the real system."""
