"""The grammar of the talks register: speech in the first and second person, in sentences of several clauses."""

from league.data.demo import lexicon
from league.data.demo.clauses import PERSONS, PRONOUNS, UNIQUE, ClauseGenerator, Subject, pairs, third_person
from league.data.demo.forms import (
    ACCUSATIVE,
    BITS,
    CASES,
    NOMINATIVE,
    PLURAL,
    attach,
    entries,
    join,
    nouns,
    shares,
    weighted,
    zipf,
)

NEW_OBJECTS = shares("a 64 the 16 two+ 6 some+ 6 many+ 8")
ASKED = shares("present 25 past 28 können 18 müssen 10 sollten 12 wollen 7")
ASKED_YES_NO = shares("present 22 past 20 perfect 12 können 22 müssen 8 sollten 10 wollen 6")
TENSES = shares(
    "present 26 past 27 perfect 8 soon 4 since 4 können 8 müssen 6 werden 5 sollten 3 wollen 3 würden 1 "
    "könnten 1 konnten 3 mussten 2 wollten 1 dürfen 1"
)
FUTURE = shares("present 40 können 20 müssen 10 werden 8 sollten 6 wollen 8 könnten 4 dürfen 4")
# The tenses after a conjunction of each kind.
JOINED = {
    "fact": FUTURE,
    "present": shares("present 64 können 14 müssen 12 wollen 10"),
    "past": shares("past 66 konnten 12 mussten 12 wollten 10"),
}
AIM = shares("to 100")
PRONOUN_GERMAN = ("er", "sie", "es", "sie")
RELATIVES = (("der", "die", "das", "die"), ("den", "die", "das", "die"), ("dem", "der", "dem", "denen"))
HEARERS = weighted([PRONOUNS[name] for name in ("wir", "Sie", "ich", "du", "ihr", "man")], [36, 26, 14, 10, 6, 8])
OPENINGS, QUESTION_OPENINGS, LINKS = pairs(lexicon.OPENINGS), pairs(lexicon.QUESTION_OPENINGS), pairs(lexicon.LINKS)
CONJUNCTIONS = {time: pairs(text) for time, text in lexicon.CONJUNCTIONS.items()}
FRONTED = {time: pairs(text) for time, text in lexicon.FRONTED.items()}
COORDINATORS, FRAMES = pairs(lexicon.COORDINATORS), pairs(lexicon.INFINITIVE_FRAMES)
HEADS = zipf([tuple((entry + ">").split(">")[:4]) for entry in entries(lexicon.RELATIVE_HEADS)])
QUESTION_WORDS = zipf([tuple(entry.split()) for entry in entries(lexicon.QUESTION_WORDS)])
COMPARATIVES = zipf([tuple(entry.split(" ", 1)) for entry in entries(lexicon.COMPARATIVES)])
THINGS = nouns("idea problem tech info")
COMPARED = shares("the 40 a 24 this 14 the+ 12 these+ 10")
INTRODUCTIONS = pairs(lexicon.INTRODUCTIONS)
TIMES = ("fact", "present", "present", "past")


class Talks(ClauseGenerator):
    """Thoughts: how clauses are joined to sentences."""

    def sentence(self) -> tuple[str, str]:
        return self.pick(TALK_SHAPES)(self)

    def follower(self, subject: Subject) -> Subject:
        """The subject of the next clause: a pronoun for the same one, or a new one."""
        if subject.phrase and self.chance(55):
            plural = subject.phrase.gender == PLURAL
            english = "they" if plural else subject.phrase.noun.pronoun
            return subject._replace(german=PRONOUN_GERMAN[subject.phrase.gender], english=english, phrase=None)
        return subject if not subject.phrase and self.chance(45) else self.subject()

    def statement(self) -> tuple[str, str]:
        """A main clause with something in front and a second clause joined to it."""
        subject = self.subject()
        link, english_link = self.pick(LINKS)
        clause = self.clause(subject, TENSES, more=60)
        german, english = clause.inverted()
        second, english_second = self.joined(clause.subject, clause.time)
        return f"{link} {german}{second}.", f"{english_link} {english}{english_second}."

    def joined(self, subject: Subject, time: str) -> tuple[str, str]:
        """A further clause, coordinated or subordinate, in a tense that goes with the time of the first."""
        if self.chance(36):
            clause = self.clause(self.follower(subject), FUTURE, more=12)
            word, translation = self.pick(COORDINATORS)
            german, english = clause.inverted() if word[-1] == "^" else clause.main()
            return f", {word.rstrip('^')} {german}", f", {translation} {english}"
        time = "fact" if time == "present" and self.chance(45) else time
        word, translation = self.pick(CONJUNCTIONS[time])
        german, english = self.clause(self.follower(subject), JOINED[time], more=12, timed=False).subordinate()
        return f", {word} {german}", f" {translation} {english}"

    def plain(self) -> tuple[str, str]:
        clause = self.clause(self.subject(), TENSES, more=30)
        german, english = clause.main()
        second, english_second = self.joined(clause.subject, clause.time)
        return f"{german}{second}.", f"{english}{english_second}."

    def opened(self) -> tuple[str, str]:
        """A statement about a statement."""
        opening, english_opening = self.pick(OPENINGS)
        clause = self.clause(self.subject(), TENSES, more=34)
        german, english = clause.subordinate()
        second = english_second = ""
        if self.chance(36):
            second, english_second = self.joined(clause.subject, clause.time)
        return f"{opening} {german}{second}.", f"{english_opening} {english}{english_second}."

    def fronted(self) -> tuple[str, str]:
        """A subordinate clause first, after which German starts with the verb."""
        time = TIMES[self.bits(2)]
        word, translation = self.pick(FRONTED[time])
        subject = self.subject()
        first, english_first = self.clause(subject, JOINED[time], timed=False).subordinate()
        main_tenses = JOINED["past"] if time == "past" else FUTURE
        german, english = self.clause(self.follower(subject), main_tenses).inverted()
        return f"{word} {first}, {german}.", f"{translation} {english_first}, {english}."

    def question(self) -> tuple[str, str]:
        subject = self.subject(HEARERS)
        form = self.bits(BITS)
        if form < 300:
            opening, english_opening = self.pick(QUESTION_OPENINGS)
            german, english = self.clause(subject, FUTURE).subordinate()
            return f"{opening} {german}?", f"{english_opening} {english}?"
        clause = self.clause(subject, ASKED if form < 700 else ASKED_YES_NO, more=40)
        german, english = clause.asked()
        if form < 700:
            word, translation = self.pick(QUESTION_WORDS)
            german, english = f"{word} {german}", f"{translation} {english}"
        if self.chance(60):
            word, translation = self.pick(CONJUNCTIONS[clause.time])
            tenses = JOINED[clause.time]
            second, english_second = self.clause(self.follower(subject), tenses, more=10, timed=False).subordinate()
            german, english = f"{german}, {word} {second}", f"{english} {translation} {english_second}"
        return german + "?", english + "?"

    def relative(self) -> tuple[str, str]:
        """A noun with a relative clause about it."""
        opening, case, english_opening, closing = self.pick(HEADS)
        clause = self.clause(self.subject(), TENSES, gap=True, more=20)
        preposition, noun, relative_case = clause.gap
        singular = english_opening in ("There is", "This is", "That was", "Perhaps this is")
        kind = "the" if not noun.countable else "a" if singular else self.pick(NEW_OBJECTS)
        phrase = self.phrase(noun, kind, CASES[case])
        first, _, word = opening.rpartition(" ")
        head = attach(word, phrase.german) if word in ("über", "von", "nach") else f"{word} {phrase.german}"
        pronoun = preposition + RELATIVES[relative_case][phrase.gender]
        german = f"{join(first, head, closing)}, {pronoun} {clause.subordinate()[0]}"
        return f"{german}.", f"{english_opening} {phrase.english} that {clause.subject.english} {clause.english}."

    def infinitive(self) -> tuple[str, str]:
        """An attempt, a wish or a duty, and the infinitive at the end."""
        name, opening, english_opening = self.pick(FRAMES)
        subject = PRONOUNS[name]
        clause = self.clause(subject, AIM, more=36)
        second, english_second = self.joined(subject, "fact")
        german = f"{opening} {join(clause.middle, clause.final)}{second}."
        return german, f"{english_opening} {clause.english}{english_second}."

    def aim(self) -> tuple[str, str]:
        """What is done, and to what end."""
        subject = self.subject()
        german, english = self.clause(subject, TENSES).main()
        clause = self.clause(subject, AIM, more=14)
        return f"{german}, um {join(clause.middle, clause.final)}.", f"{english} in order to {clause.english}."

    def comparison(self) -> tuple[str, str]:
        one, two = self.pick(THINGS), self.pick(THINGS)
        first = third_person(self.phrase(one, self.pick(UNIQUE), NOMINATIVE))
        second = self.object(two, NOMINATIVE, "", False, COMPARED)[0]
        if self.chance(65):
            word, translation = self.pick(COMPARATIVES)
            german, english = f"ist {word} als", f"is {translation} than"
        else:
            adjective = self.pick(one.adjectives)
            german, english = f"ist nicht so {adjective.predicate} wie", f"is not as {adjective.english} as"
        tail, english_tail = self.joined(first, "fact")
        return (
            f"{first.german} {german} {second.german}{tail}.",
            f"{first.english} {english} {second.english}{english_tail}.",
        )

    def taken_up(self) -> tuple[str, str]:
        """An object that the next clause takes up as a pronoun of its gender."""
        noun = self.pick(THINGS)
        phrase = self.phrase(noun, self.pick(NEW_OBJECTS) if noun.countable else "the", ACCUSATIVE)
        opening, english_opening = self.pick(INTRODUCTIONS)
        clause = self.clause(self.pick(PERSONS), FUTURE, given=phrase, more=30)
        word, translation = self.pick(COORDINATORS)
        german, english = clause.inverted() if word[-1] == "^" else clause.main()
        return (
            f"{opening} {phrase.german}, {word.rstrip('^')} {german}.",
            f"{english_opening} {phrase.english}, {translation} {english}.",
        )


TALK_SHAPES = weighted(
    [
        Talks.plain,
        Talks.opened,
        Talks.statement,
        Talks.fronted,
        Talks.question,
        Talks.relative,
        Talks.infinitive,
        Talks.aim,
        Talks.comparison,
        Talks.taken_up,
    ],
    [22, 20, 12, 12, 10, 8, 5, 4, 4, 4],
)
