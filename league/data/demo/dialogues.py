"""The grammar of the dialogues: two people settle what to do, when, where and who sees to what; and what was settled.

What is proposed first is often dropped, what was said in passing does not count, and "I" and "you" are whoever speaks:
a summary must have read the whole text.
"""

from typing import NamedTuple

from league.data.demo.forms import Generator, entries, weighted, zipf

NAMES = zipf(
    "Anna Ben Clara David Emma Felix Greta Henry Ida Jonas Karim Leo Mia Noah Olga Paul Rosa Simon Tina Viktor Wanda "
    "Yusuf Zoe Amir Bora Chloe Diego Elif Farid Hana".split()
)
ACTIVITIES = zipf(
    entries("""
        have a picnic; play tennis; go swimming; watch the new movie; paint the fence; visit the museum;
        rehearse the play; go fishing; climb the tower; bake the cake; repair the boat; hear the concert;
        plant the trees; go dancing; clean the attic; see the exhibition; practice the song; play chess;
        pick the cherries; build the birdhouse; ride to the lake; try the new restaurant; write the report;
        train for the race
    """)
)
EXCUSES = zipf(
    entries("""
        work late; see the dentist; look after the twins; catch a train; study for an exam;
        take the car to the garage; help a neighbor; wait for the plumber; give a talk; go to a wedding;
        finish an article; walk the dogs; meet a customer; stay in bed; feed the horses
    """)
)
PLACES = zipf(
    entries("""
        at the station; in front of the library; at the bakery; on the bridge; at the old mill; behind the church;
        at the harbor; in the courtyard; at the bus stop; next to the fountain; at the market; in the parking lot;
        under the big tree; at the gate; in the café; on the square
    """)
)
TASKS = zipf(
    entries("""
        buy the tickets; bring the sandwiches; book a table; borrow a ladder; call the others; bring a camera;
        check the weather; make the lemonade; print the map; rent the bicycles; bring the blankets;
        invite the neighbors; pay the bill; pack the tools; write the invitations; carry the boxes; find the key;
        prepare the salad; reserve the room; bring an umbrella; lock the door; charge the battery
    """)
)
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
WHEN = zipf([f"on {day}{part}" for part in ("", " evening", " afternoon", " morning") for day in DAYS])
PASSING = [
    ("How was it when you wanted to {activity} {when}?", "It rained, and I had to {excuse} anyway."),
    ("Did you {task} {when}?", "Yes, but nobody needed it in the end."),
    ("I saw {other} {place} {when}.", "Really? I thought {other} had to {excuse}."),
    ("You look tired.", "I had to {excuse} {when}."),
    ("Is {other} still away?", "Until next week, as far as I know."),
    ("What a day!", "Yes, first I had to {excuse}, and then {other} called."),
]
PROPOSALS = [
    "Shall we {activity} {when}?",
    "Let's {activity} {when}.",
    "Would you like to {activity} {when}?",
    "I would like to {activity} {when}. Will you come along?",
    "How about this: we {activity} {when}?",
]
REFUSALS = [
    "I have to {excuse} then. What about doing it {when}?",
    "That is no good for me, I must {excuse}. Perhaps {when}?",
    "Oh no, I promised to {excuse}. Could we do it {when}?",
    "Sorry, I need to {excuse}. I am free {when}.",
]
AGREEMENTS = ["That suits me.", "Good idea.", "All right.", "Yes, gladly.", "Then it is a plan.", "I am free then."]
ENDS = [
    "I have to {excuse} then, and there is no other day. Let's drop it.",
    "That does not work, I must {excuse}. Let's forget about it.",
    "I can't, I promised to {excuse}. We had better call it off.",
]
RESIGNED = ["What a pity.", "Too bad, but all right.", "Then not.", "I understand."]
ASKED_WHERE = ["Where shall we meet?", "And where do we meet?", "Where will I find you?"]
MEETINGS = ["Let's meet {place}.", "I suggest that we meet {place}.", "How about meeting {place}?"]
MOVED = ["It is too crowded there. I would rather meet {place}.", "Not there again! Better {place}.", "No, {place}."]
REQUESTS = ["Can you {task}?", "Would you {task}?", "Could you {task}, please?"]
OFFERS = ["I will {task}.", "Leave it to me to {task}.", "By the way, I am going to {task}."]
TAKEN = ["Of course.", "Yes, I will see to it.", "No problem.", "Sure, gladly."]
SWAPPED = [
    "I have no time for that, but I can {task}.",
    "Not me, please. I would rather {task}.",
    "That is beyond me. Let me {task} instead.",
]
TAKEN_BACK = ["Then I will do that myself.", "Good, so that is left to me.", "Fine, I will see to mine, then."]
HANDED_ON = ["{other} wanted to do that.", "Let {other} do that, I have asked already.", "{other} will do it for us."]
REFUSED = weighted([0, 1, 2], [32, 44, 24])
ERRANDS = weighted([0, 1, 2], [10, 60, 30])


class Turn(NamedTuple):
    speaker: int
    text: str


class Dialogues(Generator):
    """Conversations of two, and what came of them."""

    def sentence(self) -> tuple[str, str]:
        """Return a conversation, a turn a line, and its summary, a sentence a line."""
        self.seen, self.turns = set(), []
        names = [self.new(NAMES), self.new(NAMES), self.new(NAMES)]
        self.other = names[2]
        summary = self.settle(names)
        document = "\n".join(f"{names[turn.speaker]}: {turn.text}" for turn in self.turns)
        return document, "\n".join(summary)

    def new(self, table: list) -> str:
        """Pick what this conversation has not had yet."""
        while (choice := self.pick(table)) in self.seen:
            pass
        self.seen.add(choice)
        return choice

    def any(self, forms: list[str]) -> str:
        return forms[self.bits(10) % len(forms)]

    def say(self, speaker: int, forms: list[str], **words: str) -> None:
        text = self.any(forms).format(other=self.other, **words)
        self.turns.append(Turn(speaker, text[0].upper() + text[1:]))

    def settle(self, names: list[str]) -> list[str]:
        if self.chance(50):
            self.pass_by()
        activity = self.new(ACTIVITIES)
        speaker, when, excuse = self.find_day(activity)
        if not when:
            return [f"{names[0]} and {names[1]} will not {activity} because {names[speaker]} has to {excuse}."]
        place = self.find_place(speaker)
        summary = [f"{names[0]} and {names[1]} will {activity} {when} and meet {place}."]
        errands = [errand for _ in range(self.pick(ERRANDS)) for errand in self.errand()]
        doers = dict.fromkeys(who for who, _ in errands)
        done = [f"{names[doer]} will {' and '.join(task for who, task in errands if who == doer)}" for doer in doers]
        return [*summary, ", and ".join(done) + "."] if done else summary

    def pass_by(self) -> None:
        """Say something that does not matter, though it has days, tasks and excuses in it."""
        forms = self.any(PASSING)
        words = {"activity": self.new(ACTIVITIES), "task": self.new(TASKS), "excuse": self.new(EXCUSES)}
        words |= {"when": self.new(WHEN), "place": self.new(PLACES)}
        speaker = self.bits(1)
        for form in forms:
            self.say(speaker, [form], **words)
            speaker ^= 1

    def find_day(self, activity: str) -> tuple[int, str, str]:
        """Agree on a day; return who spoke last, the day (none where it is dropped), and the last excuse."""
        when, speaker, excuse = self.new(WHEN), 0, ""
        self.say(speaker, PROPOSALS, activity=activity, when=when)
        for _ in range(self.pick(REFUSED)):
            when, excuse, speaker = self.new(WHEN), self.new(EXCUSES), speaker ^ 1
            self.say(speaker, REFUSALS, when=when, excuse=excuse)
        speaker ^= 1
        if self.chance(14):
            excuse = self.new(EXCUSES)
            self.say(speaker, ENDS, excuse=excuse)
            self.say(speaker ^ 1, RESIGNED)
            return speaker, "", excuse
        self.say(speaker, AGREEMENTS)
        return speaker, when, excuse

    def find_place(self, speaker: int) -> str:
        place = self.new(PLACES)
        if self.chance(60):
            speaker ^= 1
            self.say(speaker, ASKED_WHERE)
        speaker ^= 1
        self.say(speaker, MEETINGS, place=place)
        if self.chance(45):
            place, speaker = self.new(PLACES), speaker ^ 1
            self.say(speaker, MOVED, place=place)
        self.say(speaker ^ 1, AGREEMENTS)
        return place

    def errand(self) -> list[tuple[int, str]]:
        """Share out a task, or two; return who sees to what."""
        speaker, task = self.bits(1), self.new(TASKS)
        if self.chance(30):
            self.say(speaker, OFFERS, task=task)
            return [(speaker, task)]
        self.say(speaker, REQUESTS, task=task)
        asked = speaker ^ 1
        if self.chance(20):
            self.say(asked, HANDED_ON)
            return [(2, task)]
        if self.chance(45):
            self.say(asked, TAKEN)
            return [(asked, task)]
        instead = self.new(TASKS)
        self.say(asked, SWAPPED, task=instead)
        self.say(speaker, TAKEN_BACK)
        return [(asked, instead), (speaker, task)]


class Conversations(Dialogues):
    """The same conversations without a summary, to learn their language from."""

    def sentence(self) -> tuple[str]:
        return super().sentence()[:1]
