"""A Python host's side of the wire: starts a sidecar and calls its methods.

    from sidecar.client import connect

    async with connect() as sidecar:
        await sidecar.start_llama_server()
        answer = await sidecar.send_message(message="Hello!", on_event=print)
        print(answer.content)

One typed method for each of the contract; its parameters are keywords, its result a struct of `sidecar.contract`.
Errors are those of `sidecar.contract.errors`.
"""

from sidecar.client.connection import ConnectionClosed, SidecarClient, connect

__all__ = ["ConnectionClosed", "SidecarClient", "connect"]
