"""The web pages: sign-in, the therapist's desk, the customer's bookings, status. ``massage-link web`` serves them.

Each signed-in user has one Appwrite session, which stays on the server; the pages know only what that session may see.
"""
