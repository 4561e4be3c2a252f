"""What a user's prompt asks for, as the grants of one task: the text of `Bellgate-Task`.

One function of the prompt and of what the policy lets the desk grant. It never sees a true call, an environment or an
injection. It is written for the plain imperatives of an office ("send an email to", "create an event", "pay"); what it
does not understand it does not grant. A value is pinned only to what stands in the prompt; where the prompt speaks of
somebody without an address, the grant names a case of the policy (colleagues, known contacts, members) instead.
"""

import re

ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.[\w.]*\w")
IBAN = re.compile(r"\b[A-Z]{2}\d{2}[A-Z0-9]{10,30}\b")
SITE = re.compile(r"www\.[\w-]+\.[a-z]{2,}(?:/[\w-]+)*")
QUOTED = re.compile(r"(?<!\w)['\"]([^'\"]+)['\"](?!\w)")
NAME = re.compile(r"\b[A-Z][a-z]+\b")
LITERAL = re.compile(r"\b(?:following|the) (?:message|question)\b[^:.]*: *['\"]?(.+?)['\"]?$", re.I)


def task(prompt, offered):
    """The grants of a task, as far as the policy offers them: `offered` maps an object to the lists of pointers that must be pinned."""
    wanted = []
    whole = Prompt(prompt)
    for sentence in sentences(prompt):
        for ask in (mail, calendar, drive, bank, account, booking, slack, web):
            wanted.extend(ask(sentence, whole))
    grants = []
    for name, values in wanted:
        pinned = any(set(pointers) <= set(values) for pointers in offered.get(name, ()))
        grant = {"object": name, "modes": ["alter"], **({"values": values} if values else {})}
        if pinned and grant not in grants:
            grants.append(grant)
    return grants


class Prompt:
    """What is taken from the prompt as a whole: an address often stands in a sentence of its own."""

    def __init__(self, text):
        self.text = text
        self.addresses = unique(ADDRESS.findall(text))
        self.accounts = unique(IBAN.findall(text))
        self.sites = unique(SITE.findall(text))
        self.names = unique(NAME.findall(text))
        self.quoted = unique(QUOTED.findall(text))


def unique(values):
    return list(dict.fromkeys(values))


def sentences(text):
    return [part.strip() for part in re.split(r"(?<=[.!?])\s+(?=[A-Z0-9])|\n", text) if part.strip()]


def says(sentence, pattern):
    return re.search(pattern, sentence, re.I) is not None


def mail(sentence, whole):
    if not says(sentence, r"\b(send|write|reply)\b.*\be-?mail"):
        return
    if whole.addresses:
        yield "mail/send_email", {"/recipients": whole.addresses, "/cc": [], "/bcc": []}
    else:
        yield "mail/send_email/inner", {}
        yield "mail/send_email/contact", {}


def calendar(sentence, whole):
    if says(sentence, r"\b(create|book|add)\b( an?| the)?( [\w-]+){0,5} (event|reminder)\b"):
        title = re.search(r"\b(?:event|titled|title should be) ['\"]([^'\"{]+)['\"]", sentence)
        titled = {"/title": [title[1]]} if title else {}
        yield "calendar/create_calendar_event", {"/participants": whole.addresses, **titled}
        if not whole.addresses and re.search(r"\b(participants|invite|with [A-Z])", whole.text):
            yield "calendar/create_calendar_event/inner", titled
            yield "calendar/create_calendar_event/contact", titled
    if says(sentence, r"\badd\b.* to the participants\b") and whole.addresses:
        yield "calendar/add_calendar_event_participants", {"/participants": whole.addresses}
    if says(sentence, r"\breschedule\b"):
        when = re.search(r"(\d{4}-\d\d-\d\d) at (\d\d:\d\d)", sentence)
        yield "calendar/reschedule_calendar_event", {"/new_start_time": [f"{when[1]} {when[2]}"]} if when else {}


def drive(sentence, whole):
    if says(sentence, r"\b(add|append)\b.*\b(file|list|document)\b"):
        yield "drive/append_to_file", {}
    named = re.search(r"\bcreate a new file named ['\"]([^'\"]+)['\"]", sentence, re.I)
    if named:
        yield "drive/create_file", {"/filename": [named[1]]}
    if says(sentence, r"\bdelete\b.*\bfile\b"):
        yield "drive/delete_file", {}
    if says(sentence, r"\bshare\b.* with\b") and whole.addresses:
        reading = {"/permission": ["r"]} if says(sentence, r"\bread permission") else {}
        yield "drive/share_file", {"/email": whole.addresses, **reading}


def bank(sentence, whole):
    payees = whole.accounts + whole.names
    if says(sentence, r"\b(pay|send|refund|transfer)\b"):
        yield "bank/send_money", {"/recipient": payees}
    if says(sentence, r"\bscheduled? transaction\b|\bstanding order for\b"):
        yield "bank/schedule_transaction", {"/recipient": payees}
    if says(sentence, r"\b(adjust|update|change)\b.*\b(rent|payment|standing orders?)\b"):
        yield "bank/update_scheduled_transaction", {"/recipient": []}
        if whole.accounts:
            yield "bank/update_scheduled_transaction", {"/recipient": whole.accounts}


def account(sentence, whole):
    password = re.search(r"\bpassword to ['\"]([^'\"]+)['\"]", sentence, re.I)
    if password:
        yield "account/update_password", {"/password": [password[1]]}
    if says(sentence, r"\bupdate my (account|address|user|personal)\b"):
        yield "account/update_user_info", {}


def booking(sentence, whole):
    # The hotel often stands in another sentence than the wish to book it; names in quotes are few.
    if says(sentence, r"\b(make a reservation|reserve)\b"):
        yield "booking/reserve_hotel", {"/hotel": whole.quoted}


def slack(sentence, whole):
    for name in re.findall(r"\b[Ii]nvite ([A-Z][a-z]+)", sentence):
        yield "slack/invite_user_to_slack", {"/user": [name]}
    if says(sentence, r"\badd\b.* to (the|that) channel"):
        added = re.findall(r"\b[Aa]dd ([A-Z][a-z]+)\b", sentence)
        if added:
            yield "slack/add_user_to_channel", {"/user": added}
        elif says(sentence, r"\badd all users\b"):
            yield "slack/add_user_to_channel/member", {}
    if says(sentence, r"\b(send|direct message|write)\b"):
        to = re.findall(r"\bto ([A-Z][a-z]+)\b", sentence)
        if to:
            yield "slack/send_direct_message", {"/recipient": unique(to)}
    if says(sentence, r"\bmessage them\b"):
        yield "slack/send_direct_message", {"/recipient": unique(NAME.findall(sentence))}
    channels = re.findall(r"\b(?:post|send|write)\b[^']* to (?:the )?'([\w-]+)' channel", sentence, re.I)
    if channels:
        yield "slack/send_channel_message", {"/channel": unique(channels)}
    literal = LITERAL.search(sentence)
    if literal and says(sentence, r"\b(post|write|send)\b"):
        texts = spelt_out(literal[1], sentence)
        yield "slack/send_channel_message", {"/body": texts}
        yield "slack/send_direct_message/member", {"/body": texts}


def spelt_out(text, sentence):
    """A literal text; where the prompt says which letter stands for a rank, the text for each of the first ranks."""
    text = re.sub(r"['\"]? *\(where .*", "", text)
    variable = re.search(r"\(where (\w) is replaced with [^)]*\brank\)", sentence)
    if not variable:
        return [text]
    return [re.sub(rf"\b{variable[1]}\b", str(rank), text) for rank in range(1, 33)]


def web(sentence, whole):
    site = re.search(r"\bpost\b.* to (?:our|my|the) (?:website|page|site) (" + SITE.pattern + ")", sentence, re.I)
    if site:
        yield "web/post_webpage", {"/url": [site[1]]}
