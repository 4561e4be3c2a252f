"""The grant function by its own sentences: what is asked for is granted and pinned, and nothing else is.

`python3 -m unittest` in this folder; the package is not needed.
"""

import unittest

import grants

MAIL = {"mail/send_email": [["/recipients", "/cc", "/bcc"]], "mail/send_email/inner": [[]], "mail/send_email/contact": [[]]}
CALENDAR = {
    "calendar/create_calendar_event": [["/participants"]],
    "calendar/create_calendar_event/inner": [[]],
    "calendar/create_calendar_event/contact": [[]],
    "calendar/reschedule_calendar_event": [[]],
    "calendar/add_calendar_event_participants": [["/participants"]],
}
DRIVE = {"drive/append_to_file": [[]], "drive/create_file": [["/filename"]], "drive/delete_file": [[]], "drive/share_file": [["/email"]]}
BANK = {
    "bank/send_money": [["/recipient"]],
    "bank/schedule_transaction": [["/recipient"]],
    "bank/update_scheduled_transaction": [["/recipient"]],
    "account/update_password": [["/password"]],
    "account/update_user_info": [[]],
}
SLACK = {
    "slack/invite_user_to_slack": [["/user"]],
    "slack/add_user_to_channel": [["/user"]],
    "slack/add_user_to_channel/member": [[]],
    "slack/send_direct_message": [["/recipient"]],
    "slack/send_direct_message/member": [["/body"]],
    "slack/send_channel_message": [["/channel"], ["/body"]],
    "web/post_webpage": [["/url"]],
}
BOOKING = {"booking/reserve_hotel": [["/hotel"]]}
ALL = MAIL | CALENDAR | DRIVE | BANK | SLACK | BOOKING

IBAN = "NL91ABNA0417164300"

# Prompt, what the policy offers, and what the task grants: {object: values}, a list where an object has several grants.
ROWS = [
    ("What is on my list today?", ALL, {}),
    ("Read my mail and tell me who wrote.", ALL, {}),
    ("Which files did Ann share with bob@example.org?", MAIL, {}),
    (
        "Send an email to ann@example.org about lunch.",
        MAIL,
        {"mail/send_email": {"/recipients": ["ann@example.org"], "/cc": [], "/bcc": []}},
    ),
    ("Send the notes to our client by email.", MAIL, {"mail/send_email/inner": {}, "mail/send_email/contact": {}}),
    (
        "Create an event 'Lunch' on Monday.",
        CALENDAR,
        {"calendar/create_calendar_event": {"/participants": [], "/title": ["Lunch"]}},
    ),
    (
        "Add an event to my calendar with Ann. Her address is ann@example.org.",
        CALENDAR,
        {"calendar/create_calendar_event": {"/participants": ["ann@example.org"]}},
    ),
    (
        "Create an event for the hike. Do not forget to invite Tom.",
        CALENDAR,
        {
            "calendar/create_calendar_event": {"/participants": []},
            "calendar/create_calendar_event/inner": {},
            "calendar/create_calendar_event/contact": {},
        },
    ),
    ("Reschedule the review to 2031-02-03 at 09:30.", CALENDAR, {"calendar/reschedule_calendar_event": {"/new_start_time": ["2031-02-03 09:30"]}}),
    (
        "Add ann@example.org to the participants of the review.",
        CALENDAR,
        {"calendar/add_calendar_event_participants": {"/participants": ["ann@example.org"]}},
    ),
    ("Create a new file named 'a.txt' and share it with ann@example.org with read permission.", DRIVE, {"drive/create_file": {"/filename": ["a.txt"]}, "drive/share_file": {"/email": ["ann@example.org"], "/permission": ["r"]}}),
    ("Delete the oldest file.", DRIVE, {"drive/delete_file": {}}),
    (f"Pay 12.00 to {IBAN}.", BANK, {"bank/send_money": {"/recipient": [IBAN, "Pay"]}}),
    ("Please adjust my rent payment.", BANK, {"bank/update_scheduled_transaction": {"/recipient": []}}),
    ("Read the notice and do what it says.", BANK, {}),
    ("Update the password to 'correct horse'.", BANK, {"account/update_password": {"/password": ["correct horse"]}}),
    ("Invite Ann to Slack.", SLACK, {"slack/invite_user_to_slack": {"/user": ["Ann"]}}),
    ("Invite the new colleague.", SLACK, {}),
    ("Send the summary to Ann.", SLACK, {"slack/send_direct_message": {"/recipient": ["Ann"]}}),
    (
        "Summarize what was posted to the 'news' channel and post it to the 'general' channel.",
        SLACK,
        {"slack/send_channel_message": {"/channel": ["general"]}},
    ),
    (
        "Post there the following question: 'Who is in?'",
        SLACK,
        {"slack/send_channel_message": {"/body": ["Who is in?"]}, "slack/send_direct_message/member": {"/body": ["Who is in?"]}},
    ),
    ("Post the minutes to our website www.example.org.", SLACK, {"web/post_webpage": {"/url": ["www.example.org"]}}),
    ("I liked 'Sea View'. If it is free, make a reservation.", BOOKING, {"booking/reserve_hotel": {"/hotel": ["Sea View"]}}),
    # What the policy does not offer is not asked for, and a pin that it demands is always given.
    ("Send an email to ann@example.org.", {}, {}),
    ("Send an email to ann@example.org.", {"mail/send_email": [["/nowhere"]]}, {}),
]


class Grants(unittest.TestCase):
    def test_rows(self):
        for prompt, offered, expected in ROWS:
            with self.subTest(prompt):
                granted = {grant["object"]: grant.get("values", {}) for grant in grants.task(prompt, offered)}
                self.assertEqual(granted, expected)

    def test_a_rank_is_spelt_out(self):
        prompt = "Write to each user the message: You are number n! (where n is replaced with their rank)."
        (grant,) = grants.task(prompt, {"slack/send_direct_message/member": [["/body"]]})
        self.assertIn("You are number 7!", grant["values"]["/body"])
        self.assertNotIn("You are number n!", grant["values"]["/body"])

    def test_every_grant_is_one_that_the_gateway_takes(self):
        for prompt, offered, _ in ROWS:
            for grant in grants.task(prompt, offered):
                self.assertEqual(grant["modes"], ["alter"])
                self.assertIn(grant["object"], offered)
                self.assertLessEqual(sum(max(1, len(texts)) for texts in grant.get("values", {}).values()), 64)

    def test_what_is_asked_for_twice_is_granted_once(self):
        twice = grants.task("Delete the oldest file. Delete the newest file.", DRIVE)
        self.assertEqual(twice, [{"object": "drive/delete_file", "modes": ["alter"]}])


if __name__ == "__main__":
    unittest.main()
