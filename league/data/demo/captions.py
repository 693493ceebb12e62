"""The grammar of the captions register: people and animals and what they are doing, where."""

import re
from typing import NamedTuple

from league.data.demo import lexicon
from league.data.demo.forms import (
    ACCUSATIVE,
    BITS,
    DATIVE,
    DEFINITE,
    GENITIVE,
    NOMINATIVE,
    NOUNS,
    PLURAL,
    Generator,
    Phrase,
    Verb,
    attach,
    by_subject,
    entries,
    join,
    nouns,
    possessive,
    shares,
    weighted,
    zipf,
)

CAPTION_SUBJECTS = shares("a 50 the 13 two+ 13 three+ 5 the+ 4 bare+ 4 some+ 4 several+ 4 many+ 1 four+ 1 five+ 1")
CAPTION_OBJECTS = shares("a 52 the 21 own 9 two+ 6 bare+ 4 the+ 3 own+ 2 some+ 2 no 1 three+ 1")
PLACES = shares("the 62 a 38")


class Action(NamedTuple):
    """A predicate in the third person: what follows the German finite verb, and the English progressive."""

    verb: Verb
    finite: str
    reflexive: str
    inner: str
    place: str
    english: str
    english_place: str
    object: Phrase | None


TRANSITIVE = [Verb(entry) for entry in entries(lexicon.CAPTION_VERBS)]
INTRANSITIVE = [Verb(re.sub(r",(\w)$", r",,\1", entry)) for entry in entries(lexicon.CAPTION_INTRANSITIVES)]
ACTS = (by_subject(TRANSITIVE), by_subject(INTRANSITIVE))
PURPOSES = zipf([verb for verb in TRANSITIVE if "person" in verb.subjects and not verb.reflexive and not verb.dative])
BY_NAME = {verb.lemma: verb for verb in INTRANSITIVE}
POSTURES = zipf([BY_NAME[name] for name in "sitzen stehen liegen knien warten".split()])
APPROACHES = zipf([BY_NAME[name] for name in "gehen laufen knien rennen springen warten eilen".split()])
CREATURES = weighted(["person", "animal"], [78, 22])
NOUN_SLOTS = {kind: zipf(group) for kind, group in NOUNS.items()}
PLACE_NOUNS = nouns("outdoors indoors object")
CORNERS = [("am Rand", "at the edge of"), ("in der Mitte", "in the middle of"), ("in der Nähe", "near")]
RELATIVES = ("der", "die", "das", "die")


class Captions(Generator):
    """Scenes: who is doing what, where."""

    def creature(self, attributes: bool = True) -> Phrase:
        """A person or an animal as a subject, at times described by clothes or a relative clause."""
        kind = self.pick(CREATURES)
        phrase = self.phrase(self.pick(NOUN_SLOTS[kind]), self.pick(CAPTION_SUBJECTS), NOMINATIVE)
        if not attributes or kind == "animal" or not self.chance(42):
            return phrase
        plural = phrase.gender == PLURAL
        german, english, _, noun = phrase
        if self.chance(25):
            action = self.action(phrase, place=0, transitive=88)
            german = f"{german}, {join(RELATIVES[phrase.gender], self.final(action))},"
            return Phrase(german, f"{english} who {'are' if plural else 'is'} {action.english}", phrase.gender, noun)
        preposition, wear, worn = ("in", "in", "clothes") if self.chance(65) else ("mit", "with", "accessory")
        item = self.phrase(self.pick(NOUN_SLOTS[worn]), "bare+" if plural else "a", DATIVE)
        return Phrase(f"{german} {preposition} {item.german}", f"{english} {wear} {item.english}", phrase.gender, noun)

    def place(self, towards: bool) -> tuple[str, str]:
        """Where something happens (dative) or where it leads (mostly accusative)."""
        if self.chance(7):
            noun = self.pick(NOUN_SLOTS["stuff"])
            word = DEFINITE[ACCUSATIVE if towards else DATIVE][noun.gender]
            return attach("in", f"{word} {noun.lemma}"), f"{'into' if towards else 'in'} the {noun.english[0]}"
        noun, kind = self.pick(PLACE_NOUNS), self.pick(PLACES)
        if towards:
            options = noun.directions
            preposition, case, english = options[self.bits(BITS) % len(options)]
        elif noun.kind == "outdoors" and self.chance(12):
            corner, english = CORNERS[self.bits(BITS) % 3]
            phrase = self.phrase(noun, kind, GENITIVE)
            return f"{corner} {phrase.german}", f"{english} {phrase.english}"
        else:
            options = noun.locations
            preposition, english, _ = options[self.bits(BITS) % len(options)]
            case = DATIVE
        phrase = self.phrase(noun, kind, case)
        return attach(preposition, phrase.german), f"{english} {phrase.english}"

    def thing(self, verb: Verb, subject: Phrase) -> Phrase:
        kind = self.pick(CAPTION_OBJECTS)
        noun = self.pick(verb.objects)
        if subject.gender == PLURAL and noun.kind in ("clothes", "accessory"):
            kind = "bare+"
        elif kind[:3] == "own":
            kind = kind.replace("own", possessive(subject)) if noun.kind in OWNED else "a"
        elif kind == "no" and noun.kind not in OWNED:
            kind = "the"
        return self.phrase(noun, kind, verb.case)

    def action(self, subject: Phrase, place: int = 62, transitive: int = 66, verb: Verb | None = None) -> Action:
        """What the subject is doing, with a place in so many percent of all cases."""
        if not verb:
            acts = ACTS[0] if self.chance(transitive) else ACTS[1]
            verb = self.pick(acts["animal" if subject.noun.kind == "animal" else "person"])
        inner, english, thing = "", verb.progressive, None
        if verb.case:
            thing = self.thing(verb, subject)
            inner = attach(verb.preposition[:-1], thing.german) if verb.preposition else thing.german
            english = f"{english} {verb.english_preposition}{thing.english}"
            if verb.dative:
                receiver = self.phrase(self.pick(NOUN_SLOTS["person"]), self.pick(PLACES), DATIVE)
                inner, english = f"{receiver.german} {inner}", f"{verb.progressive} {receiver.english} {thing.english}"
        where, english_where = "", ""
        if verb.adjunct != "-" and self.chance(place if verb.case else 2 * place):
            where, english_where = self.adjunct(verb.adjunct)
        finite = verb.present[5 if subject.gender == PLURAL else 2]
        return Action(verb, finite, "sich" if verb.reflexive else "", inner, where, english, english_where, thing)

    def adjunct(self, kinds: str) -> tuple[str, str]:
        kind = kinds[self.bits(BITS) % len(kinds)]
        if kind == "w":
            phrase = self.phrase(self.pick(NOUN_SLOTS["water"]), self.pick(PLACES), DATIVE)
            return attach("in", phrase.german), "in " + phrase.english
        if kind != "2":
            return self.place(kind == "d")
        noun = self.pick(SEATS)
        phrase = self.phrase(noun, self.pick(PLACES), ACCUSATIVE)
        return "auf " + phrase.german, "on " + phrase.english

    @staticmethod
    def final(action: Action) -> str:
        """The words of a subordinate clause after its subject, the verb last."""
        return join(action.reflexive, action.inner, action.place, action.verb.prefix + action.finite)

    def sentence(self) -> tuple[str, str]:
        german, english = self.pick(CAPTION_SHAPES)(self)
        return german.rstrip(",") + ".", english + "."

    def plain(self) -> tuple[str, str]:
        """Subject first, or now and then the place or an object that its case reveals."""
        subject = self.creature()
        action = self.action(subject)
        verb, finite, reflexive, inner, place, english, english_place, thing = action
        german = join(subject.german, finite, reflexive, inner, place, verb.prefix)
        case_shows = (
            thing
            and PLURAL not in (thing.gender, subject.gender)
            and (verb.case == DATIVE or 0 in (thing.gender, subject.gender))
        )
        if place and self.chance(30):
            german = join(place, finite, reflexive, subject.german, inner, verb.prefix)
        elif case_shows and not verb.dative and not reflexive and self.chance(24):
            german = join(inner, finite, subject.german, place, verb.prefix)
        return german, join(subject.english, be(subject), english, english_place)

    def double(self) -> tuple[str, str]:
        """One subject that does two things."""
        subject = self.creature()
        first = self.action(subject, 45, verb=self.pick(POSTURES))
        second = self.action(subject, 0 if first.place else 40, 100)
        parts = [join(act.finite, act.reflexive, act.inner, act.place, act.verb.prefix) for act in (first, second)]
        english = join(first.english, first.english_place, "and", second.english, second.english_place)
        return f"{subject.german} {parts[0]} und {parts[1]}", join(subject.english, be(subject), english)

    def meanwhile(self) -> tuple[str, str]:
        """Two subjects at the same time, the clause with während first or last."""
        one, two = self.creature(False), self.creature(False)
        first, second = self.action(one, 45), self.action(two, 30)
        clause = f"ährend {one.german} {self.final(first)}"
        english = join("hile", one.english, be(one), first.english, first.english_place)
        verb, finite, reflexive, inner, place, doing, english_place, _ = second
        rest = join(inner, place, verb.prefix)
        main = join(two.english, be(two), doing, english_place)
        if self.chance(50):
            return f"W{clause}, {join(finite, reflexive, two.german, rest)}", f"W{english}, {main}"
        return f"{join(two.german, finite, reflexive, rest)}, w{clause}", f"{main} w{english}"

    def purpose(self) -> tuple[str, str]:
        """Someone who does something in order to do something else."""
        subject = self.phrase(self.pick(NOUN_SLOTS["person"]), self.pick(CAPTION_SUBJECTS), NOMINATIVE)
        first = self.action(subject, 45, verb=self.pick(APPROACHES))
        second = self.action(subject, 0, verb=self.pick(PURPOSES))
        aim = second.verb.base + second.english[len(second.verb.progressive) :]
        german = join(subject.german, first.finite, first.reflexive, first.inner, first.place, first.verb.prefix)
        english = join(subject.english, be(subject), first.english, first.english_place, "to", aim)
        return f"{german}, um {join(second.inner, second.verb.to_infinitive)}", english

    def still(self) -> tuple[str, str]:
        """Things that lie or stand somewhere, at times while someone is at work there."""
        verb, things = self.pick(STILL)
        noun = self.pick(things)
        subject = self.phrase(noun, self.pick(CAPTION_SUBJECTS), NOMINATIVE)
        place, english_place = self.place(False)
        finite = verb.present[5 if subject.gender == PLURAL else 2]
        german = f"{place} {finite} {subject.german}" if self.chance(60) else f"{subject.german} {finite} {place}"
        other = self.creature(False)
        action = self.action(other, 30)
        english = join(other.english, be(other), action.english, action.english_place)
        rest = join(action.finite, action.reflexive, action.inner, action.place, action.verb.prefix)
        return (
            f"{german}, und {other.german} {rest}",
            f"{subject.english} {be(subject)} {verb.progressive} {english_place}, and {english}",
        )


def be(subject: Phrase) -> str:
    return "are" if subject.gender == PLURAL else "is"


OWNED = {"thing", "clothes", "accessory", "toy", "ball", "bike", "instrument"}
SEATS = zipf([noun for noun in NOUNS["object"] if ("auf", "on", "onto") in noun.locations])
STILL = zipf(
    [(BY_NAME["liegen"], nouns("thing readable food toy paper")), (BY_NAME["stehen"], nouns("cart drink bike car"))]
)
CAPTION_SHAPES = weighted(
    [Captions.plain, Captions.double, Captions.meanwhile, Captions.purpose, Captions.still], [66, 12, 10, 6, 6]
)
