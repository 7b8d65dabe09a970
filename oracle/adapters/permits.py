"""An ERC-2612 permit as typed data for a wallet, of any token that says its own domain (ERC-5267).

token, owner, spender, amount, deadline -> the document of `eth_signTypedData_v4`, with the owner's next nonce. What the token says
of itself is held against the separator that it uses: a document that would be signed in vain is not given.
"""

from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from oracle.adapters.chain import RpcChain
from oracle.adapters.rpc import RpcError
from oracle.protocol.hashing import keccak, words
from oracle.protocol.keys import Address, checksum
from oracle.protocol.messages import DOMAIN_TYPE, parse_type

PERMIT = "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
PLAIN = 0x0F  # name, version, chain id and contract, and nothing else
_DOMAIN = ["bytes1", "string", "string", "uint256", "address", "bytes32", "uint256[]"]


def typed_data(
    chain: RpcChain, token: Address, owner: Address, spender: Address, amount: int, deadline: int
) -> dict[str, Any] | None:
    """None where the token takes no permit, or does not say for which domain."""
    asked = [keccak(text)[:4] for text in (b"DOMAIN_SEPARATOR()", b"eip712Domain()")]
    nonces = keccak(b"nonces(address)")[:4] + owner.rjust(32, b"\0")
    try:
        separator, domain, nonce = chain.calls([(token, data) for data in (*asked, nonces)])
        has, name, version, chain_id, contract, _, more = decode(_DOMAIN, domain)
    except (RpcError, DecodingError, UnicodeDecodeError):
        return None
    own = keccak(words(keccak(DOMAIN_TYPE.encode()), keccak(name.encode()), keccak(version.encode()), chain_id, token))
    if has != bytes([PLAIN]) or more or own != separator or contract != "0x" + token.hex() or len(nonce) != 32:
        return None
    return {
        "types": {
            kind: [{"type": t, "name": n} for t, n in members]
            for kind, members in map(parse_type, (DOMAIN_TYPE, PERMIT))
        },
        "primaryType": "Permit",
        "domain": {"name": name, "version": version, "chainId": chain_id, "verifyingContract": checksum(token)},
        "message": {
            "owner": checksum(owner),
            "spender": checksum(spender),
            "value": str(amount),
            "nonce": str(int.from_bytes(nonce, "big")),
            "deadline": str(deadline),
        },
    }
