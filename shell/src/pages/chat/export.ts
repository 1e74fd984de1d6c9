import { client } from "../../link/link";

/** Fetch a session as text and hand it to the browser as a file. */
export async function exportSession(session_id: string, format: "json" | "markdown"): Promise<void> {
  const { content, filename } = await client().export_session({ session_id, format });
  const address = URL.createObjectURL(new Blob([content], { type: "text/plain;charset=utf-8" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = filename;
  link.click();
  // The browser has read it by then; there is no event that says so.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
