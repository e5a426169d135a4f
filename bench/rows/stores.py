"""How an archive is sent to: the clients of the rows that store, under new UIDs in each round."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from bench import clients
from bench.copies import copies
from bench.corpus import Corpus, stow_bodies
from bench.folders import passing
from bench.row import Contestant, Contestants, Taken, Turns
from bench.site import Site
from bench.system import Ability, System

Chosen = Callable[[Corpus], Sequence[Path]]


def ct(corpus: Corpus) -> Sequence[Path]:
    """The CT study."""
    return corpus.ct


def small(corpus: Corpus) -> Sequence[Path]:
    """The small studies."""
    return corpus.small


def store(chosen: Chosen, associations: int = 1, *needed: Ability) -> Contestants:
    """By storescu, on so many associations at once."""

    def contestants(site: Site) -> Turns:
        with copies(chosen(site.corpus), next(site.salt), site.work) as made:

            def ask(to: System) -> Taken:
                return Taken(clients.store(to, made, associations), len(made))

            for system in site.asked(Ability.STORE, *needed):
                yield Contestant(system.name, partial(ask, system), system.pid)

    return contestants


def nagle(site: Site) -> Turns:
    """By a storescu that delays small packets.

    It sends one instance, and then a number of others; the difference is what each costs, and is
    told for all of the small studies.
    """
    number = site.extent.nagle
    with copies(site.corpus.small[: number + 1], next(site.salt), site.work) as made:

        def ask(to: System) -> Taken:
            one = clients.store(to, made[:1], nodelay=False)
            some = clients.store(to, made[1:], nodelay=False)
            rest = max(len(made) - 2, 1)
            return Taken(max(some - one, 1e-4) / rest * site.corpus.studies, len(made))

        for system in site.asked(Ability.STORE):
            yield Contestant(system.name, partial(ask, system), system.pid)


def stow(each: int | None) -> Contestants:
    """By curl, with so many instances in each request; None: with all in one."""

    def contestants(site: Site) -> Turns:
        with (
            passing(site.work) as folder,
            copies(site.corpus.ct, next(site.salt), site.work) as made,
        ):
            bodies = list(stow_bodies(made, each or len(made), folder))

            def ask(to: System) -> Taken:
                return Taken(clients.stow(f"{to.web}/studies", bodies, to.access), len(made))

            for system in site.asked(Ability.WEB):
                yield Contestant(system.name, partial(ask, system), system.pid)

    return contestants
