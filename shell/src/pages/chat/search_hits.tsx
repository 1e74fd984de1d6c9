import { Anchor, Mark, Skeleton, Stack, Text } from "@mantine/core";
import { useAnswer } from "../../link/use_answer";
import { reportUnlessGone } from "../../parts/problems";
import { problemOf } from "../../state/problem";
import { seek } from "./sought";

/** Messages that hold the words, from all chats. */
export function SearchHits({ query }: { query: string }) {
  const { value, error, loading } = useAnswer(`search ${query}`, (client, signal) =>
    client.search_messages({ query, limit: 20 }, { signal }),
  );
  return (
    <Stack gap={4} className="hits" aria-label="Messages found" role="region">
      <Text size="xs" fw={600} c="dimmed">
        In messages
      </Text>
      {loading && <Skeleton height={30} />}
      {error !== undefined && <Text size="sm">{problemOf(error).title}</Text>}
      {value?.hits.length === 0 && (
        <Text size="sm" c="dimmed">
          No message has these words.
        </Text>
      )}
      {value?.hits.map((hit) => (
        <Anchor
          key={hit.message_id}
          href={`#/chat/${hit.session_id}`}
          onClick={() => seek(hit.session_id, hit.message_id).catch(reportUnlessGone)}
          size="sm"
          c="inherit"
        >
          <Text span size="xs" c="dimmed" display="block" truncate>
            {hit.session_title}
          </Text>
          {marked(hit.snippet)}
        </Anchor>
      ))}
    </Stack>
  );
}

/** The words found stand between \u0002 and \u0003. */
function marked(snippet: string) {
  return snippet.split("\u0002").map((part, index) => {
    if (index === 0) return part;
    const [word, rest] = part.split("\u0003");
    return (
      // biome-ignore lint/suspicious/noArrayIndexKey: the parts never change places
      <span key={index}>
        <Mark>{word}</Mark>
        {rest}
      </span>
    );
  });
}
