"""Every command of `gendurable` on the shop's database: `python -m examples.shop.tour`.

It brings up the shop on a PostgreSQL of its own, where the release before has left rows behind,
deploys the present one, lets customers order, and prints each command with what it answers. Exit
status 1 if a command ended with another status than it should.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from examples.shop.stage.carrier import open_office
from examples.shop.stage.commands import Commands, Shown, answers, wait
from examples.shop.stage.present import Shop
from examples.shop.stage.processes import ROOT, free_port, migrate
from gendurable.testing.databases import database, running_server

#: A scene runs commands, one after the other, and lets things happen in between.
Scene = Callable[[Shop, Commands], Iterator[Shown]]


def deploy(shop: Shop, do: Commands) -> Iterator[Shown]:
    """The release before has left rows: what would the present one make of them."""
    yield do.run("schema check @")
    yield do.run("schema check @ --json")
    yield do.run("schema upgrade @")
    yield do.run("schema sql @ --since gendurable_0005 --to gendurable_0006")
    yield do.run("check @", 1)
    yield do.run("check @ --json", 1)
    yield do.run("ls @ -f Checkout --step send")
    yield do.run("rewind @ order:2 pack --by ada --reason 'send is called pack now'")
    yield do.run("""patch-state @ 3 '{"quantity": 1}' --by ada --reason 'one parcel, one mug'""")
    yield do.run("cancel @ 4 5 --by ada --reason 'the release before'")
    yield do.run("check @")
    yield do.run("upgrade-state @")
    yield do.run("upgrade-state @ --json")


def look(shop: Shop, do: Commands) -> Iterator[Shown]:
    """A worker runs and customers order: what is there to see."""
    shop.start(do)
    shop.settle(1)
    shop.settle(2)
    shop.order("Chloe", mug=2, pot=1)
    dov = shop.order("Dov", piano=1)
    shop.order("Edda", paid=False, mug=1)
    shop.order("Femi", paid=False, pot=1)
    yield do.run("ls @")
    yield do.run("ls @ -s failed --json")
    yield do.run("ls @ -k 'order:*' -s live -w order_id=5")
    yield do.run(f"show @ {dov}")
    yield do.run("show @ order:5 --json")
    yield do.run("explain @ order:5")
    yield do.run("explain @ order:5 --json")
    yield do.run("queues @")
    yield do.run("queues @ --json")
    yield do.run("stats @")
    yield do.run("stats @ --json")


def act(shop: Shop, do: Commands) -> Iterator[Shown]:
    """An operator lends a hand."""
    yield do.run("""insert @ Stocktake '{"below": 5}' --delay 1h -k stocktake:june""")
    yield do.run("explain @ stocktake:june")
    yield do.run("insert @ Stocktake --delay 1h -k stocktake:june --return --json")
    yield do.run("patch-state @ stocktake:june - --expect 0 --json", stdin='{"below": 20}')
    yield do.run("pause @ order:5 --by ada --reason 'the customer is asked'")
    yield do.run("explain @ order:5")
    yield do.run("pause @ -q ship --json --by ada --reason 'the carrier is on strike'")
    yield do.run("queues @")
    yield do.run("resume @ -q ship")
    yield do.run("resume @ order:5 --json")
    shop.take_cash(5)
    checkout = shop.id("order:5")
    yield do.run("""signal @ order:5 PaymentConfirmed '{"payment": "pi_5", "amount": 1200}'""")
    shop.settle(checkout)
    yield do.run("""signal @ order:6 Hello --dedup-key webhook-7 --json""")
    order = shop.id("order:6")
    yield do.run("cancel @ order:6 --by ada --reason 'the customer called' --json")
    yield do.run(f"retry @ {order} --by ada --reason 'and called again' --json")
    failed = shop.only("failed")
    yield do.run(f"retry @ {failed} --by ada --reason 'the carrier takes pianos now'")
    shop.settle(failed)
    yield do.run(f"show @ {failed}")


def limit(shop: Shop, do: Commands) -> Iterator[Shown]:
    """What may run at once and how fast, and what the clock starts."""
    yield do.run("limits @ counting --rate 1 --per 1h")
    yield do.run("limits @ carrier --at-once 5")
    yield do.run("limits @ --json")
    yield do.run("insert @ Stocktake --rate-limit counting -k first")
    yield do.run("insert @ Stocktake --rate-limit counting -k second")
    wait(shop.blocked)
    yield do.run("ls @ -k second")
    yield do.run("explain @ second")
    yield do.run("schedules @")
    yield do.run("schedules @ stocktake --pause")
    yield do.run("schedules @ stocktake --cron '0 7 * * *' --json")
    yield do.run("schedules @ stocktake --reset")
    yield do.run("schedules @ stocktake --resume")
    yield do.run("schedules @ stocktake --trigger")
    count = shop.triggered()
    shop.settle(count)
    yield do.run(f"rewind @ {count} perform --reason 'count again' --json")
    shop.settle(count)
    yield do.run(f"show @ {count}")


def care(shop: Shop, do: Commands) -> Iterator[Shown]:
    """Is all well, and what is a machine like: the doctor, pictures, the dashboard, the demo."""
    yield do.run("doctor @")
    yield do.run("doctor @ --json")
    yield do.run("graph @ Checkout")
    yield do.run("graph @ Ship --to json")
    yield do.run("graph @ Checkout --to svg --highlight pack")
    port = free_port()
    dashboard = do.start(f"dashboard @ --port {port}", lambda: answers(f"http://127.0.0.1:{port}/"))
    yield dashboard.stop()
    yield do.program("demo -n 200 --kills 2")
    yield do.program("demo -n 10 --kills 0 --json")


def err(shop: Shop, do: Commands) -> Iterator[Shown]:
    """What is wrong is said in a sentence: status 1 if it is not there, 2 if it is not right."""
    yield do.run("show @ order:99", 1)
    yield do.run("show @ 4711 --json", 1)
    yield do.run("cancel @ 1 4711", 1)
    yield do.run("explain @ 4711", 1)
    yield do.run("rewind @ order:6 nowhere", 2)
    yield do.run("patch-state @ order:6 '{order_id: 6}'", 2)
    yield do.run("""patch-state @ order:6 '{"order_id": "six"}'""", 2)
    yield do.run("""patch-state @ order:6 '{"order": 6}'""", 2)
    yield do.run("""patch-state @ order:6 '{"order_id": 6}' --expect 99""", 2)
    yield do.run("""insert @ Ship '{"line_id": 1}'""", 2)
    yield do.run("insert @ Shop", 2)
    yield do.run("insert @ Stocktake -k stocktake:june", 1)
    yield do.run("schedules @ nightly", 1)
    yield do.run("limits @ --at-once 5", 2)
    yield do.run("ls @ -s lost", 2)
    yield do.run("ls examples.shop.dbs", 2)
    yield do.run("ls examples.shop.db:Session", 2)
    yield do.program("ls @", 1, DATABASE_URL="postgresql+psycopg://localhost:1/shop")


def close(shop: Shop, do: Commands) -> Iterator[Shown]:
    """The shop closes: the worker ends its steps, and at last the tables go."""
    if worker := shop.stop():
        yield worker
    yield do.run("stats @")
    yield do.run("schema downgrade @ --yes")
    yield do.run("schema check @", 1)
    yield do.run("ls @", 1)
    yield do.run("doctor @", 1)


SCENES: tuple[Scene, ...] = (deploy, look, act, limit, care, err, close)


def tour() -> Iterator[tuple[Scene, Shown]]:
    """Bring up the shop, and run every command."""
    with ExitStack() as stack:
        server = stack.enter_context(running_server())
        url = stack.enter_context(database(server, f"tour_{os.getpid()}"))
        desk = open_office(free_port(), seed=1)
        desk.RequestHandlerClass.office.mood = lambda key: "obliging"
        threading.Thread(target=desk.serve_forever, daemon=True).start()
        stack.callback(desk.shutdown)
        carrier = f"http://127.0.0.1:{desk.server_port}"
        os.environ |= {"DATABASE_URL": url, "COLUMNS": "100"}
        os.environ |= {"CARRIER_URL": carrier, "CARRIER_PATIENCE": "20"}
        migrate({})
        before = [sys.executable, "-m", "examples.shop.stage.previous"]
        subprocess.run(before, cwd=ROOT, check=True)
        do = Commands(Path(stack.enter_context(TemporaryDirectory())))
        shop = Shop()
        stack.callback(shop.durable.engine.dispose)
        stack.callback(shop.stop)
        for scene in SCENES:
            for shown in scene(shop, do):
                yield scene, shown


def main() -> int:
    """Print the tour; with ``--json``, for programs."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--json", action="store_true")
    all_shown = []
    former = None
    as_json = parser.parse_args().json
    for scene, shown in tour():
        all_shown.append(shown)
        if not as_json:
            if scene is not former:
                print(f"\n## {scene.__doc__}\n")
            print(f"$ {shown.command}\n{shown.output.rstrip()}\n[{shown.status}]\n", flush=True)
            former = scene
    if as_json:
        print(json.dumps([asdict(one) for one in all_shown]))
    return int(any(one.status != one.expected for one in all_shown))


if __name__ == "__main__":
    raise SystemExit(main())
