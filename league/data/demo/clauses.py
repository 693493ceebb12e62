"""Clauses of the talks register, with persons, tenses, moods and objects, ready for any word order."""

from typing import NamedTuple

from league.data.demo import lexicon
from league.data.demo.forms import (
    ACCUSATIVE,
    CASES,
    DATIVE,
    GENITIVE,
    NOMINATIVE,
    NOUNS,
    PLURAL,
    Generator,
    Noun,
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

NOUN_SLOTS = {kind: zipf(group) for kind, group in NOUNS.items()}
VERBS = by_subject([Verb(entry) for entry in entries(lexicon.TALK_VERBS)])
DURATIVE, STATIVE = set(lexicon.DURATIVE.split()), set(lexicon.STATIVE.split())
SUBJECT_NOUNS = shares("the 26 our 10 the+ 14 this 11 many+ 9 my 7 these+ 6 a 4 some+ 5 two+ 3 several+ 2")
OBJECTS = shares("a 26 the 22 this 12 own 9 the+ 7 own+ 4 many+ 3 bare+ 5 these+ 4 two+ 2 no 3 some+ 2 three+ 1 no+ 1")
MASS_OBJECTS = shares("mass 50 more 26 own 20 no 4")
MASS = shares("mass 100")
UNIQUE = shares("the 70 this 30")
INDEFINITE = {"a", "no", "bare+", "no+", "mass", "more", "many+", "some+", "two+", "three+"}
SPEAKERS = shares("person 62 people 20 group 9 tech 5 idea 4")
SIMPLE = {"present", "past", "perfect", "soon"}
PAST = {"past", "konnten", "mussten", "wollten"}
ADDED = shares("the 24 a 28 this 14 the+ 10 these+ 6 many+ 8 some+ 6 several+ 4 every 3")
OBJECT_PRONOUNS = ("ihn", "sie", "es", "sie")


class Subject(NamedTuple):
    german: str
    english: str
    person: int
    third: bool
    own: str
    reflexives: tuple[str, str, str]
    kind: str
    phrase: Phrase | None


class Auxiliary(NamedTuple):
    """The finite forms, and the English for others, for the third person, in questions and after the question word."""

    german: list[str]
    base: str
    third: str
    question: str
    infinitive: str


class Clause(NamedTuple):
    """A clause whose parts can be put in the order of any kind of sentence."""

    subject: Subject
    finite: str
    middle: str
    end: str
    final: str
    english: str
    auxiliary: str
    question: str
    gap: tuple[str, Noun, int] | None
    time: str

    def main(self) -> tuple[str, str]:
        return join(self.subject.german, self.finite, self.middle, self.end), f"{self.subject.english} {self.english}"

    def inverted(self) -> tuple[str, str]:
        return join(self.finite, self.subject.german, self.middle, self.end), f"{self.subject.english} {self.english}"

    def subordinate(self) -> tuple[str, str]:
        return join(self.subject.german, self.middle, self.final), f"{self.subject.english} {self.english}"

    def asked(self) -> tuple[str, str]:
        german = join(self.finite, self.subject.german, self.middle, self.end)
        return german, f"{self.auxiliary} {self.subject.english} {self.question}"


def pronouns() -> dict[str, Subject]:
    table = {}
    for entry in entries(lexicon.PRONOUNS):
        german, person, english, third, own, accusative, dative = entry.split()
        own = own.replace("_", "")
        reflexives = ("", accusative, dative)
        table[german] = Subject(german, english, int(person), third == "1", own, reflexives, "people", None)
    return table


def auxiliaries() -> dict[str, Auxiliary]:
    table = {}
    for name, german, english in (entry.split(":") for entry in entries(lexicon.AUXILIARIES)):
        forms = english.split("/")
        third, question, infinitive = forms[1:] if forms[1:] else (forms[0], forms[0], "")
        table[name] = Auxiliary(german.split(), forms[0], third, question, infinitive)
    return table


def pairs(text: str) -> list:
    """The slots of German and English texts written as German>English."""
    return zipf([tuple(entry.split(">")) for entry in entries(text)])


PRONOUNS = pronouns()
PERSONS = weighted([PRONOUNS[name] for name in ("wir", "ich", "Sie", "du", "man", "ihr")], [42, 28, 13, 6, 8, 3])
AUXILIARIES = auxiliaries()
ADVERBS = {tense: pairs(text) for tense, text in lexicon.ADVERBS.items()}
NUMBERS = zipf([tuple(entry.split()) for entry in entries(lexicon.NUMBERS)])
UNITS = zipf([tuple(entry.split()) for entry in entries(lexicon.UNITS)])
ADDITIONS = zipf([tuple(word.replace("_", " ") for word in entry.split()) for entry in entries(lexicon.ADDITIONS)])
RELATED = nouns("group tech people")


def english_verb(verb: Verb, tense: str, third: bool, adverb: str, negated: bool) -> tuple[str, str, str]:
    """The English predicate, and for questions the auxiliary and what follows the subject."""
    if tense == "to":
        return verb.base, "", ""
    if tense == "perfect":
        have = "has" if third else "have"
        return f"{have} {adverb}{verb.perfect}", have, adverb + verb.perfect
    if tense == "since":
        have = "has" if third else "have"
        return f"{have} been {verb.progressive}", have, f"been {verb.progressive}"
    question = adverb + verb.base
    if tense == "present":
        statement, auxiliary = adverb + (verb.third if third else verb.base), "does" if third else "do"
    elif tense == "past":
        statement, auxiliary = adverb + verb.past, "did"
    else:
        modal = AUXILIARIES["werden" if tense == "soon" else tense]
        auxiliary = modal.question
        if modal.infinitive:
            auxiliary = "does" if third and auxiliary == "do" else auxiliary
            statement = f"{adverb}{modal.third if third else modal.base} {verb.base}"
            question = f"{adverb}{modal.infinitive} {verb.base}"
        else:
            statement = f"{auxiliary} {question}"
    if negated:
        return f"{auxiliary} not {question}".replace("can not ", "cannot "), auxiliary, question
    return statement, auxiliary, question


def third_person(phrase: Phrase) -> Subject:
    plural = phrase.gender == PLURAL
    return Subject(
        phrase.german,
        phrase.english,
        5 if plural else 2,
        not plural,
        possessive(phrase),
        ("", "sich", "sich"),
        phrase.noun.kind,
        phrase,
    )


TIMES = ("fact", "present", "present", "past")


class ClauseGenerator(Generator):
    """Clauses about what we do, did and should do."""

    adjective_share = 330

    def subject(self, people=PERSONS) -> Subject:
        kind = self.pick(SPEAKERS)
        if kind == "person":
            return self.pick(people)
        phrase = self.phrase(self.pick(NOUN_SLOTS[kind]), self.pick(SUBJECT_NOUNS), NOMINATIVE)
        return third_person(phrase)

    def object(self, noun: Noun, case: int, own: str, plain: bool, kinds: list | None = None) -> tuple[Phrase, bool]:
        """A noun phrase in object position, negated only in a plain clause, and whether it is definite."""
        if not kinds:
            kinds = OBJECTS if noun.countable else MASS_OBJECTS if noun.kind == "abstract" else UNIQUE
        kind = self.pick(kinds)
        if kind[:3] == "own":
            kind = own + kind[3:] if own else "the" if noun.countable else "mass"
        elif kind[:2] == "no" and not plain:
            kind = "the" if noun.countable else "mass"
        if noun.kind == "idea" and kind == "the" and self.chance(40):
            return self.genitive(case), True
        return self.phrase(noun, kind, case), kind not in INDEFINITE

    def genitive(self, case: int) -> Phrase:
        """Something that belongs to something: the future of our cities."""
        head = self.phrase(self.pick(NOUN_SLOTS["relation"]), "the", case)
        owner = self.phrase(self.pick(RELATED), self.pick(SUBJECT_NOUNS), GENITIVE)
        return Phrase(f"{head.german} {owner.german}", f"{head.english} of {owner.english}", head.gender, head.noun)

    def adverb(self, tense: str) -> tuple[str, str, str]:
        """A German adverb and its English before the verb or at the end."""
        if tense == "since":
            (number, count), (unit, units) = self.pick(NUMBERS), self.pick(UNITS)
            return f"seit {number} {unit}", "", f"for {count} {units}"
        if tense in PAST and self.chance(22):
            (number, count), (unit, units) = self.pick(NUMBERS), self.pick(UNITS)
            return f"vor {number} {unit}", "", f"{count} {units} ago"
        if tense not in ("perfect", "soon") and not self.chance(46):
            return "", "", ""
        german, english = self.pick(ADVERBS["past" if tense in PAST else tense if tense in ADVERBS else "modal"])
        return (german, "", english[1:]) if english[0] == "+" else (german, english + " ", "")

    def addition(self, verb: Verb) -> tuple[str, str]:
        """A prepositional phrase that any verb can take."""
        german, case, english, kind = self.pick(ADDITIONS)
        noun = self.pick(NOUN_SLOTS[kind])
        kinds = MASS if kind == "abstract" else ADDED if noun.countable else UNIQUE
        if german + " " == verb.preposition or kind in verb.object_kinds:
            return "", ""
        phrase = self.object(noun, CASES[case], "", False, kinds)[0]
        return attach(german, phrase.german), f"{english} {phrase.english}"

    def verb(self, kind: str, tense: str, gap: bool, given: Phrase | None) -> Verb:
        """A verb that suits its subject and tense, and takes an object of the kind that the sentence needs."""
        while True:
            verb = self.pick(VERBS[kind])
            if tense not in SIMPLE and verb.lemma in STATIVE or gap and not verb.case:
                continue
            if not given or (
                given.noun.kind in verb.object_kinds
                and verb.case == ACCUSATIVE
                and not (verb.preposition or verb.dative or verb.reflexive)
            ):
                return verb

    def clause(
        self,
        subject: Subject,
        tenses: list,
        gap: bool = False,
        more: int = 26,
        given: Phrase | None = None,
        timed: bool = True,
    ) -> Clause:
        """A clause about a subject; a gap leaves the object to a relative pronoun, a given object becomes a pronoun."""
        tense = self.pick(tenses)
        verb = self.verb(subject.kind, tense, gap, given)
        stative = verb.lemma in STATIVE
        if tense == "since" and verb.lemma not in DURATIVE:
            tense = "past"
        if subject.person in (1, 4) and tense in ("present", "soon", "since"):
            tense = "past" if stative else "können"
        bare = tense == "to" or tense == "present" and stative or tense in PAST and not timed
        adverb, before, after = ("", "", "") if bare else self.adverb(tense)
        extra, english_extra = self.addition(verb) if self.chance(more) else ("", "")
        plain = not adverb and not extra and tense != "to"
        inner, prepositional, english, definite, hole = self.complement(verb, subject, gap, given, plain)
        negated = definite and not before and not extra and tense not in ("perfect", "since", "to") and self.chance(9)
        # German puts pronouns before adverbs, and adverbs before other objects and the negation.
        objects = (inner, adverb) if given else (adverb, inner)
        middle = join(subject.reflexives[verb.reflexive], *objects, extra, "nicht" if negated else "", prepositional)
        finite, end, final = self.german_verb(verb, tense, subject.person)
        statement, auxiliary, question = english_verb(verb, tense, subject.third, before, negated)
        tail = "".join([" " + part for part in (english, english_extra, after) if part])
        question = f"not {question}" if negated else question
        return Clause(
            subject,
            finite,
            middle,
            end,
            final,
            statement + tail,
            auxiliary,
            question + tail,
            hole,
            "past" if tense in PAST else "fact" if tense in ("perfect", "since") else "present",
        )

    def complement(self, verb: Verb, subject: Subject, gap: bool, given: Phrase | None, plain: bool):
        """The German object, prepositional object and English of a verb, whether definite, and the gap if any."""
        if given:
            english = "them" if given.gender == PLURAL else "it"
            return OBJECT_PRONOUNS[given.gender], "", english, True, None
        receiver = receiver_english = ""
        if verb.dative:
            person = self.phrase(self.pick(NOUN_SLOTS["people"]), self.pick(SUBJECT_NOUNS), DATIVE)
            receiver, receiver_english = person.german, person.english + " "
        noun = self.pick(verb.objects)
        if gap:
            hole = (verb.preposition, noun, verb.case)
            return receiver, "", (receiver_english + verb.english_preposition).strip(), True, hole
        phrase, definite = self.object(noun, verb.case, subject.own, plain)
        english = f"{receiver_english}{verb.english_preposition}{phrase.english}"
        if verb.preposition:
            return receiver, attach(verb.preposition[:-1], phrase.german), english, True, None
        return join(receiver, phrase.german), "", english, definite, None

    @staticmethod
    def german_verb(verb: Verb, tense: str, person: int) -> tuple[str, str, str]:
        """The finite verb, the rest at the end, and both together at the end of a subordinate clause."""
        if tense == "to":
            return "", verb.to_infinitive, verb.to_infinitive
        if tense in ("present", "soon", "since"):
            return verb.present[person], verb.prefix, verb.prefix + verb.present[person]
        if tense in ("past", "perfect"):
            finite, end = AUXILIARIES[verb.auxiliary].german[person], verb.participle
        else:
            finite, end = AUXILIARIES[tense].german[person], verb.lemma
        return finite, end, f"{end} {finite}"
