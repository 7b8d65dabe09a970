"""The one door to eth-account: accounts, keystores, keys from a mnemonic.

py_ecc, deep inside it, raises Python's recursion limit to 100,000 when it is first imported; nested JSON from outside would then
overflow the C stack. Who uses eth-account, or web3 that loads it, imports it through or beside this: the limit is Python's again.
"""

import sys

from eth_account import Account
from eth_account.hdaccount import key_from_seed, seed_from_mnemonic
from eth_account.signers.local import LocalAccount
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes

sys.setrecursionlimit(1_000)

__all__ = ["Account", "HexBytes", "LocalAccount", "TypedTransaction", "key_from_seed", "seed_from_mnemonic"]
