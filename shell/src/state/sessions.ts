/** The list of sessions, in the order and the groups in which it is read. Pure. */

import type { Session } from "@llama-sidecar/client";

export type Row = { kind: "heading"; key: string; title: string } | { kind: "session"; key: string; session: Session };

export interface SessionFilter {
  query: string;
  archived: boolean;
  pinned: ReadonlySet<string>;
  /** Unix seconds at which today began. */
  today: number;
}

export function sessionRows(sessions: readonly Session[], filter: SessionFilter): Row[] {
  const query = filter.query.trim().toLowerCase();
  const matching = sessions
    .filter(({ archived }) => archived === filter.archived)
    .filter(({ title }) => query === "" || title.toLowerCase().includes(query))
    .sort((a, b) => b.updated_at - a.updated_at);
  const groups = new Map<string, Session[]>();
  for (const session of matching) {
    const title = groupOf(session, filter);
    groups.set(title, [...(groups.get(title) ?? []), session]);
  }
  return GROUPS.flatMap((title) => {
    const group = groups.get(title) ?? [];
    if (group.length === 0) return [];
    const rows: Row[] = group.map((session) => ({ kind: "session", key: session.session_id, session }));
    return [{ kind: "heading", key: title, title }, ...rows];
  });
}

const GROUPS = ["Pinned", "Today", "Yesterday", "This week", "Earlier"];
const DAY = 86_400;

function groupOf(session: Session, { pinned, today }: SessionFilter): string {
  if (pinned.has(session.session_id)) return "Pinned";
  if (session.updated_at >= today) return "Today";
  if (session.updated_at >= today - DAY) return "Yesterday";
  return session.updated_at >= today - 6 * DAY ? "This week" : "Earlier";
}

export const titleOf = (session: Session | undefined): string => session?.title || "New chat";

export function startOfToday(now = new Date()): number {
  return new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime() / 1000;
}
