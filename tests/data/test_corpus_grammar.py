"""The generated corpus is grammatical, and shows what is hard to translate."""

import re

import pytest
from sampled import GENDERS, PAIRS, SAMPLE

from league.data.demo import lexicon
from league.data.demo.generate import REGISTERS

WEAK_NOUNS = {
    entry.split()[1]
    for table in lexicon.NOUNS.values()
    for entry in re.split(r"[;\n]", table)
    if entry.split()[:1] == ["w"]
}


def occurrences(pattern: str, side: int, register: str, limit: int = 20_000) -> int:
    return sum(bool(re.search(pattern, pair[side])) for pair in SAMPLE[register][:limit])


def test_english_articles():
    for _, english in PAIRS:
        assert not re.search(r"\b[Aa] (?!one|uni|use|eu)[aeiou]|\b[Aa] hon", english), english
        assert not re.search(r"\b[Aa]n (?![aeiou]|hon)|\b[Aa]n (uni|use)", english), english


PHENOMENA = {
    "captions": [
        r"\bden Jungen\b",
        r"^Den \w+",
        r"^Einen \w+",
        r"\bim \w+",
        r"\bins \w+",
        r"\bam \w+",
        r"\bzum \w+",
        r"\bzur \w+",
        r"\bin den \w+",
        r"\bin (der|einer) Bank\b",
        r"\b(auf|neben) (der|einer) Bank\b",
        r" Schloss\b",
        r"^Während .*, \w+t ",
        r", während .*t\.$",
        r", (der|die|das) .*t,",
        r", um .* zu \w+n\.$",
        r", um .*\w+zu\w+n\.$",
        r"\bsich\b",
        r" auf\.$",
        r" aus\.$",
        r" an\.$",
        r"\bkeine?n?\b",
        r"\bihre[mnrs]?\b",
        r"\bseine[mnrs]?\b",
        r"\b(zwei|drei) \w+n\b",
        r"\bdes \w+s\b",
        r"\b(größere|kleinere|ältere)",
        r"\bPolizisten\b",
        r" Blatt Papier\b",
        r"\bleichte",
        r"\bdurch den\b",
    ],
    "talks": [
        r", dass .*(hat|haben)\.$",
        r", weil .*t\b",
        r", obwohl ",
        r", während ",
        r"^Wenn .*, \w+ ",
        r"^Als ",
        r", um .* zu \w+n",
        r"\b(können|müssen|sollten)\.$",
        r"\w+ (kann|muss|soll|will) .*\w+en\b",
        r"\b(ist|sind|bin) .*(gefolgt|begegnet|gescheitert)",
        r"\bnicht\b",
        r"\bkeine?n?\b",
        r"\bmich\b",
        r"\bmir\b",
        r"\buns\b",
        r"\bsich\b",
        r"\?$",
        r"^Warum ",
        r"\bals (der|die|das)\b",
        r"\bnicht so \w+ wie\b",
        r"\btrotz (des|eines)\b",
        r"\bwegen (der|einer)\b",
        r", (den|die|das) (ich|wir|Sie)\b",
        r", (mit|über|auf|an) (dem|der|den|das|die) ",
        r"\bseit \w+ Jahren\b",
        r"\bvor \w+ Jahren\b",
        r"\bleichte",
        r"\bSie\b",
        r", aber .* (ihn|sie|es)\b",
        r", weil (er|sie|es)\b",
        r"\bunsere[nmrs]? Zukunft|\bZukunft (der|des|unserer)\b",
        r"\bdes Gedankens\b|\bden Gedanken\b",
        r"\bwird\b",
        r"\bschon\b",
        r"\bStudenten\b",
    ],
}


@pytest.mark.parametrize("register, pattern", [(name, pattern) for name in REGISTERS for pattern in PHENOMENA[name]])
def test_phenomena_occur(register, pattern):
    assert occurrences(pattern, 0, register) > 0


def test_context_resolves_ambiguous_words():
    assert occurrences(r"\bbench", 1, "captions") and occurrences(r"\bin (the|a)( \w+)? bank\b", 1, "captions")
    assert occurrences(r"\bcastle", 1, "captions") and occurrences(r"\block\b", 1, "captions")
    assert occurrences(r"\bleaf\b", 1, "captions") and occurrences(r"\bsheet of paper", 1, "captions")
    assert occurrences(r"\beasy\b", 1, "talks") and occurrences(r"\blight\b", 1, "talks")
    for german, english in SAMPLE["captions"]:
        if re.search(r"\b(auf|neben|hinter) (der|einer|die|eine) (\w+ )?Bank\b", german):
            assert "bench" in english
        if re.search(r"\bin (den|einen) (\w+ )?(Park|Wald)\b", german):
            assert re.search(r"\binto (the|a) (\S+ )?(park|forest)\b", english), german
        elif re.search(r"\b(im|in einem) (\w+ )?(Park|Wald)\b", german):
            assert re.search(r"\bin (the|an?) (\S+ )?(park|forest)\b", english), german


# Which genders a word right before a noun allows, and how an adjective in between must end.
AGREEMENT = {
    "einen": ("m", "en"),
    "eine": ("f", "e"),
    "einem": ("mn", "en"),
    "einer": ("f", "en"),
    "eines": ("mn", "en"),
    "das": ("n", "e"),
    "dem": ("mn", "en"),
    "im": ("mn", "en"),
    "am": ("mn", "en"),
    "zum": ("mn", "en"),
    "zur": ("f", "en"),
    "ins": ("n", "e"),
    "des": ("mn", "en"),
    "dieses": ("mn", "en?"),
    "diesem": ("mn", "en"),
    "keinen": ("mfn", "en"),
}


def test_determiners_and_adjectives_agree_with_the_lexicon():
    checked = 0
    for german, _ in PAIRS:
        tokens = re.findall(r"\w[\w-]*|,", german)
        for position, token in enumerate(tokens[:-1]):
            # After a comma, with or without a preposition, or after "ist" stands a pronoun.
            before = tokens[max(position - 2, 0) : position]
            if token.lower() in AGREEMENT and "," not in before and before[-1:] not in (["ist"], ["war"]):
                genders, ending = AGREEMENT[token.lower()]
                following = tokens[position + 1]
                if following in AGREEMENT:
                    continue
                noun = tokens[position + 2] if following[0].islower() and position + 2 < len(tokens) else following
                if noun in GENDERS and GENDERS[noun] <= set("mfn"):
                    assert GENDERS[noun] & set(genders), german
                    assert noun == following or re.search(ending + "$", following), german
                    checked += 1
    assert checked > 20_000


def test_mixed_endings_after_ein():
    endings = {"m": "er", "n": "es"}
    matches = [
        match
        for german, _ in PAIRS
        for match in re.findall(r"\b[Ee]in (\w+) ([A-ZÄÖÜ]\w+)", german)
        if match[1] in GENDERS and match[0][0].islower()
    ]
    assert len(matches) > 2_000
    for adjective, noun in matches:
        (gender,) = GENDERS[noun]
        assert adjective.endswith(endings[gender]), (adjective, noun)


def test_definite_subjects_agree_in_gender_and_number():
    articles = {"Der": "m", "Das": "n", "Die": "f"}
    checked = 0
    for german, english in SAMPLE["captions"]:
        match = re.match(r"(Der|Die|Das) (\w+e )?([A-ZÄÖÜ]\w+) (ist|\w+t) ", german)
        if match and match[3] in GENDERS and re.match(r"The [\w -]+? is ", english):
            assert articles[match[1]] in GENDERS[match[3]], german
            checked += 1
    assert checked > 500


def test_weak_nouns_are_inflected_outside_the_nominative():
    weak = "|".join(sorted(WEAK_NOUNS))
    pattern = re.compile(rf"\b(den|dem|einen|einem|des|eines|diesen|diesem|zum|vom)( \w+en)? ({weak})\b")
    assert not [german for german, _ in PAIRS if pattern.search(german)]


def test_dative_plurals_end_in_n_or_s():
    pattern = re.compile(r"\b(?:mit|von|in|aus) (?:zwei|drei|vielen|mehreren|einigen|diesen) (?:\w+en )?([A-ZÄÖÜ]\w+)")
    nouns = [noun for german, _ in PAIRS for noun in pattern.findall(german)]
    assert len(nouns) > 100 and all(noun[-1] in "ns" for noun in nouns)


def test_english_subjects_agree_with_be():
    for _, english in SAMPLE["captions"]:
        assert not re.match(r"(A|An|The) ([\w-]+ )?(man|woman|boy|girl|child|dog) are ", english), english
        assert not re.match(r"(Two|Three|Several|Many|Some) ((?!while|and|who|are)[\w-]+ )+is ", english), english
