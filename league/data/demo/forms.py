"""The forms of German and English words and noun phrases from which the corpus is built."""

import random
import re
from typing import NamedTuple

from league.data.demo import lexicon

NOMINATIVE, ACCUSATIVE, DATIVE, GENITIVE = range(4)
CASES = {"n": NOMINATIVE, "a": ACCUSATIVE, "d": DATIVE, "g": GENITIVE}
PLURAL = 3
# Choices are single draws of ten random bits into a table of this many slots.
BITS = 10
SLOTS = 1 << BITS


def weighted(items: list, weights: list[float]) -> list:
    """Spread the items over the slots in proportion to their weights, each at least once."""
    spare = SLOTS - len(items)
    total, position, table = sum(weights), 0.0, []
    for index, (item, weight) in enumerate(zip(items, weights, strict=True)):
        position += weight
        end = index + 1 + round(spare * position / total)
        table.extend([item] * (end - len(table)))
    return table


def zipf(items: list) -> list:
    """Spread items, ordered from frequent to rare, over the slots as words are in natural text."""
    return weighted(items, [1 / (rank + 5) for rank in range(len(items))])


def entries(text: str) -> list[str]:
    return [entry.strip() for entry in re.split(r"[;\n]", text) if entry.strip()]


def article(english: str) -> str:
    vowel = english[0] in "aeiou" and not english.startswith(("uni", "use", "one", "eu"))
    return "an " if vowel or english.startswith("hon") else "a "


class Adjective:
    def __init__(self, entry: str):
        german, self.english = entry.split()
        self.predicate, _, stem = german.partition("/")
        self.stem = stem or self.predicate
        self.article = article(self.english)


class Noun:
    """A noun with all its forms; number 0 is singular and 1 plural."""

    def __init__(self, entry: str, kind: str):
        words = entry.split()
        marks = {word[0]: word[1:] for word in words if word[0] in "!@%"}
        gender, german, plural, *english = (word for word in words if word[0] not in "!@%")
        self.kind, self.gender = kind, "mfn".index(gender[0].replace("w", "m"))
        head, _, rest = german.partition("_")
        many = {"+": head + plural[1:], "=": head}.get(plural[0], plural.partition("_")[0])
        self.countable = plural != "-"
        self.german = [self.decline(gender, head, many), self.pluralize(many)]
        if rest:
            self.german = [[f"{form} {rest.replace('_', ' ')}" for form in forms] for forms in self.german]
        self.lemma = self.german[0][NOMINATIVE]
        single = english[0].replace("_", " ")
        self.english = [single, english[1].replace("_", " ") if len(english) > 1 else add_s(single)]
        self.article = article(single)
        animate = kind in ("person", "people")
        self.pronoun = marks.get("!") or (("he", "she", "it")[self.gender] if animate else "it")
        self.adjectives = ADJECTIVES[marks.get("%") or lexicon.ADJECTIVE_KINDS.get(kind, kind)]
        codes = marks.get("@", "")
        self.locations = [lexicon.PLACE_CODES[code] for code in codes if code in lexicon.PLACE_CODES]
        self.directions = [(german, ACCUSATIVE, onward) for german, _, onward in self.locations]
        paths = [lexicon.PATH_CODES[code] for code in codes if code in lexicon.PATH_CODES]
        self.directions += [(german, ACCUSATIVE, english) for german, english in paths]
        if kind in ("outdoors", "indoors"):
            self.directions.append(("zu", DATIVE, "to"))
            self.directions += [("aus", DATIVE, "out of")] * ("i" in codes)

    @staticmethod
    def decline(gender: str, word: str, many: str) -> list[str]:
        if gender[0] == "f":
            return [word] * 4
        if gender[0] == "w":
            return [word, many, many, many + gender.partition(".")[2][1:]]
        short = len(re.findall("[aeiouäöüy]+", word.lower())) == 1 and word[-1] not in "aeioufhmnsp"
        ending = "ses" if word.endswith("nis") else "es" if short or re.search("([sßxz]|sch|st)$", word) else "s"
        return [word, word, word, word + ending]

    @staticmethod
    def pluralize(many: str) -> list[str]:
        return [many, many, many if many[-1] in "ns" else many + "n", many]


def add_s(word: str) -> str:
    if re.search("([sxz]|ch|sh)$", word):
        return word + "es"
    return re.sub("([^aeiou])y$", r"\1ie", word) + "s"


class Determiner(NamedTuple):
    """Articles and adjective endings by case and gender (plural last), and the English in both numbers."""

    forms: list[list[tuple[str, str]]]
    english: tuple[str, str]
    plural: int


def endings(text: str) -> list[list[str]]:
    """Read four cases of four endings, an underscore for none."""
    return [[ending.replace("_", "") for ending in line.split()] for line in text.split("/")]


ARTICLE_ENDINGS = endings("er e es e/en e es e/em er em en/es er es er")
WEAK = endings("e e e en/en e e en/en en en en/en en en en")
MIXED = endings("er e es en/en e es en/en en en en/en en en en")
STRONG = endings("er e es e/en e es e/em er em en/en er en er")
DEFINITE = endings("der die das die/den die das die/dem der dem den/des der des der")


def determiner(kind: str, stem: str, english: str, plural: int) -> Determiner:
    """Build a determiner declined like der, dieser, ein or viele, or not at all and with strong adjectives."""
    forms = []
    for case in range(4):
        row = []
        for gender in range(4):
            bare = kind == "ein" and (case, gender) in ((0, 0), (0, 2), (1, 2))
            word = {"der": DEFINITE[case][gender], "strong": stem}.get(kind)
            word = word if word is not None else stem + ("" if bare else ARTICLE_ENDINGS[case][gender])
            ending = {"strong": STRONG, "viele": STRONG, "ein": MIXED}.get(kind, WEAK)[case][gender]
            row.append((word + " " if word else "", ending))
        forms.append(row)
    single, _, many = english.partition("/")
    return Determiner(forms, tuple(word + " " if word else "" for word in (single, many or single)), plural)


ADJECTIVES = {kind: [Adjective(entry) for entry in entries(text)] for kind, text in lexicon.ADJECTIVES.items()}
ADJECTIVES["clothes"] = ADJECTIVES["color"] + ADJECTIVES["clothes"]
ADJECTIVES["thing"] = ADJECTIVES["color"][:4] + ADJECTIVES["thing"]
ADJECTIVES = {kind: zipf(adjectives) for kind, adjectives in ADJECTIVES.items()}
NOUNS = {kind: [Noun(entry, kind) for entry in entries(text)] for kind, text in lexicon.NOUNS.items()}


def nouns(kinds: str) -> list:
    """The slots of one or more kinds of nouns, the ranks of the kinds interleaved."""
    groups = [NOUNS[kind] for kind in kinds.split()]
    ranked = sorted((rank, order) for order, group in enumerate(groups) for rank in range(len(group)))
    return zipf([groups[order][rank] for rank, order in ranked])


DETERMINERS = {
    "the": determiner("der", "", "the", 0),
    "a": determiner("ein", "ein", "a", 0),
    "no": determiner("ein", "kein", "no", 0),
    "this": determiner("dieser", "dies", "this", 0),
    "every": determiner("dieser", "jed", "every", 0),
    "mass": determiner("strong", "", "", 0),
    "more": determiner("strong", "mehr", "more", 0),
    "the+": determiner("der", "", "the", 1),
    "these+": determiner("dieser", "dies", "these", 1),
    "bare+": determiner("strong", "", "", 1),
    "no+": determiner("ein", "kein", "no", 1),
}
for german, english in map(str.split, entries(lexicon.COUNTS)):
    DETERMINERS[english + "+"] = determiner("strong", german, english, 1)
for german, english in map(str.split, entries(lexicon.AMOUNTS)):
    DETERMINERS[english + "+"] = determiner("viele", german, english, 1)
# German has no genitive without an ending that shows it.
SHOWN_GENITIVE = {english + "+": "the+" for english in "bare two three four five six ten".split()}
for german, english in map(str.split, entries(lexicon.POSSESSIVES)):
    for number in range(2):
        name = f"{german} {english}" if german in ("sein", "ihr") else english
        DETERMINERS[name + "+" * number] = determiner("ein", german, english.lower(), number)


def shares(text: str) -> list:
    """Spread names over the slots: each is followed by its share in percent."""
    words = text.split()
    return weighted(words[::2], [float(share) for share in words[1::2]])


PRONOUN_POSSESSIVES = {"he": "his", "she": "her", "it": "its"}


class Verb:
    """A verb with its German and English forms and the objects that it takes."""

    def __init__(self, entry: str):
        german, english, subjects, objects, *adjunct = (field.strip() for field in entry.split(","))
        self.reflexive = "~^".find(german[0]) + 1
        infinitive, *irregular = german.lstrip("~^").split("/")
        self.lemma = infinitive.replace("|", "")
        self.prefix, _, base = infinitive.rpartition("|")
        stem = base[:-2] if base.endswith("en") else base[:-1]
        weak = stem + ("et" if re.search("([td]|ch?n|ffn|gn)$", stem) else "t")
        augment = "" if re.match("(be|ver|er|ent|zer|über|unter|wider)|.*ieren$", base) else "ge"
        first = stem[:-2] + "le" if base.endswith("eln") else stem + "e"
        self.present = (first, "", irregular[0] if irregular else weak, base, weak, base)
        participle = irregular[1] if len(irregular) > 1 else self.prefix + augment + weak
        self.auxiliary = "sein" if participle[0] == "*" else "haben"
        self.participle = participle.lstrip("*")
        self.to_infinitive = f"{self.prefix}zu{base}" if self.prefix else "zu " + base
        self.set_english(english)
        self.subjects = subjects.split()
        self.adjunct = adjunct[0] if adjunct else "p"
        self.set_objects(objects)

    def set_english(self, entry: str) -> None:
        head, *irregular = entry.split("/")
        word, _, particle = head.partition("_")
        base, double = word.rstrip("+"), word[-2] if word.endswith("+") else ""
        past = base + "d" if base[-1] == "e" else re.sub("([^aeiou])y$", r"\1i", base + double) + "ed"
        past = irregular[0] if irregular else past
        stem = base[:-2] + "y" if base.endswith("ie") else re.sub("([^e])e$", r"\1", base) + double
        third = base + "es" if base[-1] == "o" else add_s(base)
        forms = (base, third, past, irregular[-1] if irregular else past, stem + "ing")
        tail = " " + particle.replace("_", " ") if particle else ""
        self.base, self.third, self.past, self.perfect, self.progressive = (form + tail for form in forms)

    def set_objects(self, entry: str) -> None:
        self.dative = self.case = None
        self.preposition = self.english_preposition = ""
        if match := re.match(r"(\w+)\+(\w)>(\w*):", entry):
            self.preposition, self.case = match[1] + " ", CASES[match[2]]
            self.english_preposition = match[3].replace("_", " ") + " " if match[3] else ""
        elif entry:
            self.case = DATIVE if entry.startswith("d:") else ACCUSATIVE
            self.dative = entry.startswith("x:")
        kinds = entry.rpartition(":")[2]
        self.object_kinds = kinds.split()
        self.objects = nouns(kinds) if kinds else []


class Phrase(NamedTuple):
    german: str
    english: str
    gender: int  # PLURAL in the plural
    noun: Noun


class Generator:
    """The random source and the noun phrases that both registers share."""

    adjective_share = 490

    def __init__(self, source: random.Random):
        self.bits = source.getrandbits

    def pick(self, table: list):
        return table[self.bits(BITS)]

    def chance(self, percent: int) -> bool:
        return self.bits(BITS) * 100 < percent * SLOTS

    def phrase(self, noun: Noun, kind: str, case: int) -> Phrase:
        """A noun with its determiner and, often, an adjective."""
        if case == GENITIVE:
            kind = SHOWN_GENITIVE.get(kind, kind)
        forms, articles, plural = DETERMINERS[kind]
        gender = PLURAL if plural else noun.gender
        word, ending = forms[case][gender]
        german, english, first = noun.german[plural][case], noun.english[plural], noun
        if self.bits(BITS) < self.adjective_share:
            first = noun.adjectives[self.bits(BITS)]
            german, english = f"{first.stem}{ending} {german}", f"{first.english} {english}"
        determiner_english = first.article if kind == "a" else articles[plural]
        return Phrase(word + german, determiner_english + english, gender, noun)


def attach(preposition: str, german: str) -> str:
    """Put a preposition before a phrase, contracted with its article where German does so."""
    text = f"{preposition} {german}"
    end = len(preposition) + 5
    short = lexicon.CONTRACTIONS.get(text[:end])
    return short + text[end:] if short else text


def join(*parts: str) -> str:
    return " ".join([part for part in parts if part])


def by_subject(verbs: list[Verb]) -> dict[str, list]:
    kinds = {kind for verb in verbs for kind in verb.subjects}
    return {kind: zipf([verb for verb in verbs if kind in verb.subjects]) for kind in sorted(kinds)}


def possessive(phrase: Phrase) -> str:
    """The name of the determiner with which a subject speaks of what it owns."""
    german = "ihr" if phrase.gender in (1, PLURAL) else "sein"
    return german + " " + ("their" if phrase.gender == PLURAL else PRONOUN_POSSESSIVES[phrase.noun.pronoun])
