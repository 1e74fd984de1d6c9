"""A Python host's side of the wire: starts a sidecar and calls its methods.

    from sidecar.client import connect

    async with connect() as sidecar:
        await sidecar.start_llama_server()
        stream = sidecar.send_message_stream(message="Hello!")
        async for event in stream:
            if event.status == "token":
                print(event.chunk, end="")
        answer = await stream.result()

One typed method for each of the contract; its parameters are keywords, its result a struct of `sidecar.contract`.
Errors are those of `sidecar.contract.errors`. A method that streams also takes `on_event`, and has a second form that
ends in `_stream`: an iterator over its events.
"""

from sidecar.client.connection import ConnectionClosed, SidecarClient, connect
from sidecar.client.streams import EventStream

__all__ = ["ConnectionClosed", "EventStream", "SidecarClient", "connect"]
