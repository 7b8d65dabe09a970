"""Models whose wallets a manifest names: every member hears them as one voice, and the card says so."""

from oracle.protocol.cids import Codec, decode, from_digest
from oracle.protocol.keys import address_of
from tests.services.test_epochs import header_of, load, settle_all
from tests.support.committee import Town
from tests.support.epochs import person


def test_settle__machines_of_the_manifest__do_not_outvote_the_people(town: Town) -> None:
    workers = town.register(5)
    wallets = [
        "0x" + address_of(person(f"worker {w}")).hex() for w in (*workers[2:], 77)
    ]  # one of them never registered
    labels = {(t, w): 2 if w in workers[2:] and t % 3 == 0 else 0 for t in range(12) for w in workers}
    for machines in ([], wallets):
        job = town.open_job(tasks=12, answers=5, machines=machines)
        town.fill_job(job, labels)
        settle_all(town)
        epoch = load(town, header_of(town), -1)
        card = decode(town.content.get(from_digest(Codec.DAG_CBOR, epoch.model)))
        said = {verdict.label for verdict in epoch.verdicts if verdict.task % 3 == 0}
        assert said == ({0} if machines else {2})
        assert card["jobs"][0].get("machines", []) == (list(workers[2:]) if machines else [])
