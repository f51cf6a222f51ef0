"""HTTP traffic of a crash campaign: rows by MessagePack and line protocol, and tables that are deleted."""

import random
import threading

from e2e import wire

from .client import ACKNOWLEDGED, LOST, UNKNOWN, Client
from .load import ERROR_S, Broken, Load
from .rows import Maker
from .table_checker import Ledger
from .table_files import check_files
from .table_readers import check_tables

WRITERS = 3
SHARED_ROUNDS = 4  # after so many rounds the shared tables are others, before they are of very many files
AGAIN = [("main", f"again{i}") for i in range(3)]


class HttpWriter(threading.Thread):
    """One connection: sends rows, with a batch id again until an answer says how it ended."""

    def __init__(self, port, maker, tables, generation, pending):
        super().__init__(name=maker.connection, daemon=True)
        self.port, self.maker, self.tables, self.generation = port, maker, tables, generation
        self.pending = pending  # requests of earlier lives, with batch ids
        self.made = []
        self.refused = 0
        self.failure = None  # what no server may answer
        self.lost = None  # what ended the connection
        self.stopping = threading.Event()
        self.is_answered = False

    def run(self):
        rng = self.maker.rng
        with Client(self.port) as client:
            for request in self.pending:
                request.is_late = True
                self.send(client, request)
            while not (self.failure or self.lost or self.stopping.wait(ERROR_S if self.refused else 0)):
                request = self.maker.make(self.tables, self.generation)
                self.made.append(request)
                outcome = self.send(client, request)
                if self.lost or self.failure:
                    return
                is_again = rng.random() < 0.05  # also what is known to be there: it was answered before
                if request.batch_id and (outcome == UNKNOWN or is_again):
                    self.send(client, request)
                elif outcome == UNKNOWN and rng.random() < 0.3:
                    self.send(client, request)  # may be there twice then

    def send(self, client, request):
        if self.lost or self.failure:
            return UNKNOWN
        outcome, answer = client.write(request)
        if outcome is None:
            self.failure = f"{request.key}: {answer}"
        elif outcome == ACKNOWLEDGED:
            request.acknowledged += 1
            self.is_answered = True
        else:
            request.unknown += outcome == UNKNOWN
            self.refused += 1
            if not answer[0].isdigit():
                self.lost = answer
        return outcome

    def has_begun(self):
        return self.is_answered or bool(self.failure)

    def finish(self, is_server_gone):
        self.stopping.set()
        self.join(60)
        if self.is_alive():
            raise Broken(f"{self.name}: no answer for 60 s")
        if self.failure:
            raise Broken(f"{self.name}: {self.failure}")
        if (self.lost or self.refused) and not is_server_gone:
            raise Broken(f"{self.name}: {self.refused} refused by a server that runs; lost: {self.lost}")


class TableLoad(Load):
    """What loads of tables have in common: a ledger, and how it is compared."""

    def __init__(self, campaign):
        super().__init__(campaign)
        self.ledger = Ledger()
        self.gone = set()  # tables that may not come back
        self.in_sql = {}  # table → id → how often, when it was verified last

    def check(self):
        self.in_sql = check_tables(self)

    def verify(self):
        self.check()

    def verify_files(self, catalog):
        check_files(self, catalog)

    def flush(self):
        with Client(self.server.http_port) as client:
            for table in self.ledger.tables():
                client.flush(table)

    def delete(self, tables):
        with wire.Connection(self.server.port) as connection:
            for table in tables:
                error = connection.delete_topic(".".join(table))
                if error not in (wire.NONE, wire.UNKNOWN_TOPIC_OR_PARTITION):
                    raise Broken(f"delete {table}: error {error}")
                self.ledger.forget(table)
                self.in_sql.pop(table, None)
                self.counters["tables_deleted"] += error == wire.NONE

    def count(self, requests):
        for request in requests:
            self.counters["http_sent"] += 1
            self.counters["http_acknowledged"] += bool(request.acknowledged)
            self.counters["http_unknown"] += bool(request.unknown and not request.acknowledged)


class HttpLoad(TableLoad):
    """Connections that write rows to tables of the round and to tables of many rounds."""

    def __init__(self, campaign):
        super().__init__(campaign)
        self.pending = []  # requests with batch ids whose outcome is unknown
        self.names = []
        self.by_round = []
        self.epoch = ()

    def prepare(self, number):
        epoch = number // SHARED_ROUNDS
        shared = [("main", f"shared{epoch}-{i}") for i in range(2)]
        few = ("main", f"few{epoch}")
        self.epoch = (*shared, few)
        self.by_round.append(("lab", f"r{number}"))
        self.names = [*shared * 9, *[("lab", f"r{number}")] * 9, few]  # few gets few

    def threads(self, life, large):
        again = [request for request in self.pending if self.rng.random() < 0.5]
        writers = []
        for i in range(WRITERS):
            maker = Maker(f"l{life}h{i}", random.Random(self.rng.getrandbits(32)), large)
            writers.append(HttpWriter(self.server.http_port, maker, self.names, life % 8, again[i::WRITERS]))
        return writers

    def collect(self, threads, is_server_gone):
        for writer in threads:
            self.ledger.add(writer.made)
            self.count(writer.made)
            self.pending += [request for request in writer.made if request.batch_id]
        self.drop_settled()

    def drop_settled(self):
        settled = [request for request in self.pending if request.acknowledged and request.unknown]
        self.counters["http_settled"] += len(settled)
        # Gone are those that were answered, that nobody can have taken, and that only had deleted tables.
        self.pending = [r for r in self.pending if r.unknown and not r.acknowledged and r.parts and not r.is_hurt]

    def verify(self):
        self.check()
        self.settle(0.7)

    def settle(self, share):
        """Sends what has an unknown outcome again, until the outcome is known."""
        with Client(self.server.http_port) as client:
            for request in self.pending:
                if self.rng.random() < share:
                    request.is_late = True
                    outcome, answer = client.write(request)
                    if outcome != ACKNOWLEDGED:
                        raise Broken(f"{request.key} sent again to a server that runs: {answer}")
                    request.acknowledged += 1
        self.drop_settled()

    def tidy(self, keep):
        kept = self.by_round[-keep:] if keep else []
        old = (self.ledger.tables().keys() | set(self.by_round)) - {*self.epoch, *kept}
        self.by_round = kept
        self.names = [table for table in self.names if table not in old]
        self.gone |= old
        for request in self.pending:
            request.is_hurt = not old.isdisjoint(request.parts)
        self.delete(old)
        self.drop_settled()


class Again(threading.Thread):
    """Writes to tables, deletes them and makes them again, on one connection of each kind."""

    def __init__(self, server, maker, current):
        super().__init__(name=maker.connection, daemon=True)
        self.server, self.maker = server, maker
        self.current = current  # table → ids that must be there, ids that may
        self.made = []
        self.deleted = []  # (table, number of requests made before)
        self.doubtful = None  # a table whose deletion has an unknown outcome
        self.broken = None  # a promise, whatever becomes of the server
        self.failure = self.lost = None
        self.queries = 0
        self.stopping = threading.Event()

    def run(self):
        try:
            with Client(self.server.http_port) as client, wire.Connection(self.server.port) as kafka:
                while not (self.failure or self.stopping.wait(0.005)):
                    self.step(client, kafka)
        except (wire.Closed, *LOST) as error:
            self.lost = f"{type(error).__name__}: {error}"
        except AssertionError as error:
            self.failure = str(error)

    def step(self, client, kafka):
        rng = self.maker.rng
        table = rng.choice(AGAIN)
        must, may = self.current[table]
        chance = rng.random()
        if chance < 0.15 and must:
            self.doubtful = table
            error = kafka.delete_topic(".".join(table))
            if error != wire.NONE:
                self.failure = f"delete {table}: error {error}"
                return
            self.doubtful = None
            self.deleted.append((table, len(self.made)))
            self.current[table] = (set(), set())
        elif chance < 0.25:
            client.flush(table)
        elif chance < 0.4 and must:
            there = [row["id"] for row in client.query(f'SELECT id FROM {table[0]}."{table[1]}"')]
            self.queries += 1
            if len(set(there)) != len(there) or not must <= set(there) <= must | may:
                wrong = {"missing": must - set(there), "too many": set(there) - must - may, "all": len(there)}
                self.broken = f"read back from {table} at once: {str(wrong)[:500]}"
                self.stopping.set()
        else:
            self.write(client, table, must, may)

    def write(self, client, table, must, may):
        request = self.maker.make([table], 3, batch_share=0)
        self.made.append(request)
        outcome, answer = client.write(request)
        ids = {request.id_of(row) for row in request.parts[table]}
        if outcome == ACKNOWLEDGED:
            request.acknowledged += 1
            must |= ids
            return
        request.unknown += outcome == UNKNOWN
        may |= ids if outcome == UNKNOWN else set()
        self.failure = f"{request.key}: {answer}" if outcome is None or answer[0].isdigit() else None
        if not self.failure:
            raise OSError(answer)

    def has_begun(self):
        return bool(self.made or self.failure or self.lost)

    def finish(self, is_server_gone):
        self.stopping.set()
        self.join(60)
        if self.is_alive():
            raise Broken(f"{self.name}: no answer for 60 s")
        if self.broken or ((self.failure or self.lost) and not is_server_gone):
            raise Broken(f"{self.name}: {self.broken or self.failure or self.lost}")


class AgainLoad(TableLoad):
    """Tables that are deleted and made again: nothing of the old one may show."""

    def __init__(self, campaign):
        super().__init__(campaign)
        self.doubtful = set()

    def threads(self, life, large):
        self.resolve()
        current = {table: (set(), set()) for table in AGAIN}
        for table, requests in self.ledger.tables().items():
            for request in requests:
                is_there = bool(request.acknowledged or self.ledger.seen.get((table, request.key)))
                current[table][0 if is_there else 1].update(request.id_of(row) for row in request.parts[table])
        maker = Maker(f"l{life}again", random.Random(self.rng.getrandbits(32)), large)
        return [Again(self.server, maker, current)]

    def collect(self, threads, is_server_gone):
        for again in threads:
            begun = 0
            for table, made in again.deleted:
                self.ledger.add(again.made[begun:made])
                self.ledger.forget(table)
                begun = made
            self.ledger.add(again.made[begun:])
            self.count(again.made)
            self.counters["tables_deleted"] += len(again.deleted)
            self.counters["tables_read_under_load"] += again.queries
            if again.doubtful:
                self.doubtful.add(again.doubtful)

    def resolve(self):
        """Deletions without an answer: the topic is there with all its rows, or gone with them."""
        if self.doubtful:
            with wire.Connection(self.server.port) as connection:
                topics = connection.topics()
            for table in self.doubtful:
                if ".".join(table) not in topics:
                    self.ledger.forget(table)
            self.doubtful.clear()

    def check(self):
        self.resolve()
        super().check()
