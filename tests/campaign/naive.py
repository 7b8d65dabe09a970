"""The control: a sender that asks the chain for its nonce and writes down what it has sent. Planted by a campaign only."""

from types import ModuleType
from typing import Any


def install(outbox: ModuleType) -> None:
    """Replaces `submit` of oracle.services.outbox; all else is as it was."""

    def submit(database: Any, chain: Any, signer: Any, call: Any, kind: str) -> Any:
        known = database.sent(signer.address, what=call.what)
        if known:
            return known[0]
        outbox._wait(database, chain, signer, outbox.PATIENCE_S)
        nonce = chain.nonce(signer.address)
        max_fee, tip = chain.fees()
        fields = {
            "type": 2,
            "chainId": chain.chain_id(),
            "to": call.to,
            "value": call.value,
            "data": call.data,
            "gas": outbox._gas(database, chain, signer, call),
            "maxFeePerGas": 2 * max_fee,
            "maxPriorityFeePerGas": tip,
            "nonce": nonce,
        }
        raw, transaction = signer.sign_transaction(fields)
        sent = outbox.Sent(nonce, call.what, kind, transaction, raw)
        outbox._send(chain, raw)
        database.add_sent(signer.address, sent)
        return sent

    outbox.submit = submit
