"""The chat's commands that change what was said: /continue, /remove, /delete and /undelete."""

from __future__ import annotations

from sidecar.cli import screen, tables
from sidecar.cli.conversation import Conversation
from sidecar.cli.wording import shortened
from sidecar.contract.errors import SessionNotFound

LISTED_DELETED = 20


async def continue_answer(conversation: Conversation, _: str) -> None:
    """Continue the last answer where it was cut."""
    await conversation.continue_answer()


async def remove_message(conversation: Conversation, _: str) -> None:
    """Delete the last message of the session."""
    client, session_id = conversation.client, conversation.session_id
    page = await client.get_messages(session_id=session_id, limit=1)
    if not page.messages:
        screen.say("There is no message yet.")
        return
    message = page.messages[-1]
    await client.delete_message(session_id=session_id, message_id=message.message_id)
    whose = "Your message" if message.role == "user" else "The answer"
    screen.say(f"{whose} is deleted: {shortened(message.content)}")


async def delete_session(conversation: Conversation, _: str) -> None:
    """Delete the session, and begin a new one."""
    gone = conversation.session_id
    await conversation.client.delete_session(session_id=gone)
    conversation.begin_new()
    screen.say(f"The session is deleted; /undelete {gone[:8]} restores it. A new one begins with your next message.")


async def restore_session(conversation: Conversation, start: str) -> None:
    """List the deleted sessions, or restore and resume the one whose id begins like this."""
    client = conversation.client
    page = await client.list_deleted_sessions(limit=LISTED_DELETED)
    if not start:
        if not page.sessions:
            screen.say("No session is deleted.")
            return
        screen.show(tables.sessions_table(page.sessions))
        screen.say("/undelete and the first letters of an id restores that one.", style="dim")
        return
    while not (found := [one for one in page.sessions if one.session_id.startswith(start.lower())]):
        if page.next_cursor is None:
            raise SessionNotFound(
                f'No deleted session has an id that begins with "{start}".', hint="/undelete lists them."
            )
        page = await client.list_deleted_sessions(limit=LISTED_DELETED, cursor=page.next_cursor)
    if len(found) > 1:
        raise SessionNotFound(
            f'{len(found)} deleted sessions have an id that begins with "{start}".', hint="Give more of its letters."
        )
    await client.restore_session(session_id=found[0].session_id)
    session = await conversation.resume(found[0].session_id)
    screen.say((session.title, "bold"), (" is restored, and the next message continues it.", ""))
