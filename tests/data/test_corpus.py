"""The generated corpus: reproducible, split without leaks, one translation a sentence, and grammatical."""

import os
import re
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from league.data.demo import __main__ as demo_command
from league.data.demo import generate as corpus
from league.data.demo import lexicon as corpus_lexicon
from league.data.demo.generate import REGISTERS, generate_pairs

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = {register: list(generate_pairs(register, "train", 25_000, seed=3)) for register in REGISTERS}
PAIRS = [pair for register in REGISTERS for pair in SAMPLE[register]]


def words(text: str) -> list[str]:
    return re.findall(r"[\w-]+", text)


def occurrences(pattern: str, side: int, register: str, limit: int = 20_000) -> int:
    return sum(bool(re.search(pattern, pair[side])) for pair in SAMPLE[register][:limit])


def lexicon_genders() -> dict[str, set[str]]:
    """The gender of each noun, read from the table itself; a weak masculine counts as masculine."""
    genders: dict[str, set[str]] = {}
    for table in corpus_lexicon.NOUNS.values():
        for entry in re.split(r"[;\n]", table):
            if entry.strip():
                gender, noun = entry.split()[:2]
                genders.setdefault(noun.partition("_")[0], set()).add(gender[0].replace("w", "m"))
    return genders


GENDERS = lexicon_genders()
WEAK_NOUNS = {
    entry.split()[1]
    for table in corpus_lexicon.NOUNS.values()
    for entry in re.split(r"[;\n]", table)
    if entry.split()[:1] == ["w"]
}


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", **variables}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, encoding="utf-8", env=environment, cwd=ROOT
    )


@pytest.mark.parametrize("register", REGISTERS)
def test_same_seed_gives_the_same_pairs_and_another_seed_others(register):
    first = list(generate_pairs(register, "train", 500, seed=1))
    assert first == list(generate_pairs(register, "train", 500, seed=1))
    assert first != list(generate_pairs(register, "train", 500, seed=2))
    assert len(first) == 500


def test_pairs_do_not_depend_on_the_hash_seed():
    program = (
        "from league.data.demo.generate import generate_pairs\n"
        "print([list(generate_pairs(r, 'test', 40, 9)) for r in ('captions', 'talks')])"
    )
    outputs = {run("-c", program, PYTHONHASHSEED=seed).stdout for seed in ("1", "77")}
    assert outputs == {str([list(generate_pairs(register, "test", 40, 9)) for register in REGISTERS]) + "\n"}


@pytest.mark.parametrize("register", REGISTERS)
@pytest.mark.parametrize("split", ["train", "validation"])
def test_fewer_pairs_are_the_beginning_of_more(register, split):
    assert list(generate_pairs(register, split, 60, 4)) == list(generate_pairs(register, split, 150, 4))[:60]


def test_pairs_are_made_as_they_are_taken():
    assert len(list(islice(generate_pairs("talks", "train", 10**12), 5))) == 5
    assert list(generate_pairs("captions", "train", 0)) == []


@pytest.mark.parametrize("register", REGISTERS)
def test_splits_share_no_sentence_at_any_seed(register):
    train = {german for seed in (0, 8) for german, _ in generate_pairs(register, "train", 15_000, seed)}
    held_out = {
        split: {german for seed in (0, 5) for german, _ in generate_pairs(register, split, 250, seed)}
        for split in ("validation", "test")
    }
    assert not train & held_out["validation"] and not train & held_out["test"]
    assert not held_out["validation"] & held_out["test"]


def test_word_order_variants_stay_in_one_split():
    assert corpus.split_of("den Hund streichelt die Frau.") == corpus.split_of("Die Frau streichelt den Hund.")
    assert {corpus.split_of(german) for german, _ in PAIRS} == {"train"}


def test_one_german_sentence_has_one_translation():
    translations = {}
    for german, english in PAIRS:
        assert translations.setdefault(german, english) == english
    assert len(translations) > 0.99 * len(PAIRS)


@pytest.mark.parametrize(
    "register, shortest, longest, mean", [("captions", 6, 20, (9, 14)), ("talks", 8, 30, (12, 20))]
)
def test_lengths_suit_the_register(register, shortest, longest, mean):
    lengths = [len(german.split()) for german, _ in SAMPLE[register]]
    assert shortest <= min(lengths) and max(lengths) <= longest
    assert mean[0] < sum(lengths) / len(lengths) < mean[1]


def test_each_register_has_words_of_its_own_and_shares_some():
    vocabularies = [{word for german, _ in SAMPLE[register] for word in words(german)} for register in REGISTERS]
    shared = vocabularies[0] & vocabularies[1]
    assert len(shared) > 50 and all(len(vocabulary - shared) > 400 for vocabulary in vocabularies)


def test_word_frequencies_are_far_from_uniform():
    counts = {}
    for german, _ in SAMPLE["captions"]:
        for word in words(german):
            if word in GENDERS:
                counts[word] = counts.get(word, 0) + 1
    ranked = sorted(counts.values(), reverse=True)
    assert ranked[0] > 5 * ranked[len(ranked) // 2]


def test_text_is_clean():
    for pair in PAIRS:
        for text in pair:
            assert text == " ".join(text.split()) and not re.search(r" [,.?]|[,.?]{2}|[^\w ,.?'-]|_|YOUR", text), text
            assert text[0].isupper() and text[-1] in ".?"
        assert pair[0][-1] == pair[1][-1] and (pair[0] + pair[1])[:-1].count(pair[0][-1]) == 1


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


@pytest.mark.parametrize(
    "arguments, part", [(("poems", "train", 1), "poems"), (("talks", "dev", 1), "dev"), (("talks", "train", -1), "-1")]
)
def test_wrong_arguments_are_refused_at_the_call(arguments, part):
    with pytest.raises(ValueError, match=part) as caught:
        generate_pairs(*arguments)
    assert "\n" not in str(caught.value)


def test_command_line_writes_every_side_of_every_split(tmp_path):
    result = run("-m", "league.data.demo", str(tmp_path / "data"), "--train", "50", "--heldout", "7", "--seed", "2")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    names = sorted(str(path.relative_to(tmp_path / "data")) for path in (tmp_path / "data").rglob("*.*"))
    assert names == sorted(
        os.path.join(register, f"{split}.{language}")
        for register in REGISTERS
        for split in ("train", "validation", "test")
        for language in ("de", "en")
    )
    for name in names:
        content = (tmp_path / "data" / name).read_bytes()
        assert b"\r" not in content and content.count(b"\n") == (50 if "train" in name else 7)
    files = [tmp_path / "data" / "talks" / f"test.{side}" for side in ("de", "en")]
    german, english = (file.read_text("utf-8").splitlines() for file in files)
    assert list(zip(german, english, strict=True)) == list(generate_pairs("talks", "test", 7, 2))


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["x", "--train", "-3"],
        ["x", "--train", "many"],
        ["x", "--heldou", "3"],
        ["x", "--seed", "one"],
        [os.devnull + "/folder"],
    ],
)
def test_wrong_calls_exit_with_two_and_one_line(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as caught:
        demo_command.main(arguments)
    output = capsys.readouterr()
    assert caught.value.code == 2 and output.out == ""
    assert output.err.count("\n") == 1 and "Traceback" not in output.err
