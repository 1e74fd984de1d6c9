"""A window that asks a local model, in Python's own toolkit; `--ask QUESTION` does the same without a window.

The sidecar's event loop runs on a thread of its own, and the window takes from a queue what has arrived: neither ever
waits for the other. Run it with the Python that llama-sidecar is installed for.
"""

from __future__ import annotations

import asyncio
import queue
import sys
import threading

from sidecar.client import connect
from sidecar.contract.errors import SidecarError


class Model:
    """The sidecar, and the pieces of its answers as they arrive; `None` ends an answer."""

    def __init__(self) -> None:
        self.pieces: queue.Queue[str | None] = queue.Queue()
        self._questions: asyncio.Queue[str | None] = asyncio.Queue()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))
        self._thread.start()

    def ask(self, question: str) -> None:
        self._loop.call_soon_threadsafe(self._questions.put_nowait, question)

    def close(self) -> None:
        """End the sidecar, and with it its engines."""
        self._loop.call_soon_threadsafe(self._questions.put_nowait, None)
        self._thread.join()

    async def _serve(self) -> None:
        async with connect() as sidecar:
            session = None
            while (question := await self._questions.get()) is not None:
                try:
                    if session is None:
                        await sidecar.start_llama_server()
                        session = (await sidecar.create_session()).session_id
                    async for event in sidecar.send_message_stream(message=question, session_id=session):
                        if event.status == "token":
                            self.pieces.put(event.chunk)
                except SidecarError as error:
                    self.pieces.put(f"{error.message} {error.hint}")
                self.pieces.put(None)


def show(model: Model) -> None:
    """The window."""
    import tkinter

    window = tkinter.Tk()
    window.title("A local model")
    question = tkinter.Entry(window, width=80)
    answer = tkinter.Text(window, width=80, height=20, wrap="word")
    question.bind("<Return>", lambda _: (answer.delete("1.0", "end"), model.ask(question.get())))

    def take() -> None:
        while not model.pieces.empty():
            answer.insert("end", model.pieces.get() or "\n")
        window.after(30, take)

    question.pack(fill="x")
    answer.pack(fill="both", expand=True)
    take()
    window.mainloop()


def main() -> None:
    model = Model()
    try:
        if sys.argv[1:2] == ["--ask"]:
            model.ask(sys.argv[2])
            while (piece := model.pieces.get()) is not None:
                print(piece, end="", flush=True)
        else:
            show(model)
    finally:
        model.close()


if __name__ == "__main__":
    main()
