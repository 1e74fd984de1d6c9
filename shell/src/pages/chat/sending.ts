/** From what a person does to the sidecar's methods. What becomes of the answer is in state/chat.ts. */

import type { Message, SessionConfig } from "@llama-sidecar/client";
import { client } from "../../link/link";
import { begin, run, useChat } from "../../state/chat";
import { useWorld } from "../../state/feed";
import { keepDraft, takePreset, usePrefs } from "../../state/prefs";
import { newTurn } from "../../state/turn";
import { keepPictures, picturesOf } from "./pictures";

/** The chat's preset; what is set in the chat itself wins over it, which it does only as a part of the message. */
const presetOf = (id: string): { preset?: string } & SessionConfig => {
  const preset = usePrefs.getState().presets[id];
  return preset === undefined ? {} : { preset, ...useWorld.getState().sessions[id]?.config };
};

export async function send(id: string, message: string, images: string[]): Promise<void> {
  if (useChat.getState().conversations[id] === undefined) begin(id);
  const turn = newTurn(id, Date.now(), { said: message, images });
  const parts = images.length > 0 ? { images } : {};
  await run(turn, (onEvent) =>
    client().send_message({ session_id: id, message, ...parts, ...presetOf(id) }, { onEvent }),
  );
}

/** Make the chat that is about to begin, before anything is said in it; its id. */
export async function beginChat(): Promise<string> {
  const { session_id } = await client().create_session({});
  begin(session_id);
  takePreset(session_id);
  keepDraft(session_id, usePrefs.getState().drafts[""] ?? "");
  keepDraft("", "");
  keepPictures(session_id, picturesOf(""));
  keepPictures("", []);
  return session_id;
}

/** Answers a question, or the question of an answer; an old answer stays, as a branch beside the new one. */
export async function regenerate(id: string, message: Message): Promise<void> {
  const question = message.role === "user" ? message.message_id : message.parent_id;
  const turn = newTurn(id, Date.now(), { under: question });
  const what = { session_id: id, message_id: message.message_id, ...presetOf(id) };
  await run(turn, (onEvent) => client().regenerate_message(what, { onEvent }));
}

/** The old message and what follows it stay, as a branch beside the new one. */
export async function editMessage(id: string, old: Message, message: string): Promise<void> {
  const turn = newTurn(id, Date.now(), { said: message, under: old.parent_id });
  const images = imagesOf(old);
  const parts = images.length > 0 ? { images } : {};
  const what = { session_id: id, message_id: old.message_id, message, ...parts, ...presetOf(id) };
  await run(turn, (onEvent) => client().edit_message(what, { onEvent }));
}

/** The data: URLs of a message's images. */
export function imagesOf({ parts }: Message): string[] {
  return (parts ?? []).flatMap((part) => {
    const image = part["image_url"];
    const url = typeof image === "object" && image !== null && "url" in image ? image.url : undefined;
    return typeof url === "string" ? [url] : [];
  });
}
