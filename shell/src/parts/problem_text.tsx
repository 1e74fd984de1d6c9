import { Anchor, Group, Text } from "@mantine/core";
import { go } from "../frame/route";
import type { Problem } from "../state/problem";

/** The body of a toast. */
export function ProblemText(props: { problem?: Problem; said?: string; undo?: () => void }) {
  const { problem, said, undo } = props;
  return (
    <>
      {said !== undefined && (
        <Text size="sm" c="var(--mantine-color-text)">
          {said}
        </Text>
      )}
      {problem?.hint && <Text size="sm">{problem.hint}</Text>}
      <Group gap="sm" mt={4}>
        {problem && problem.name !== "PAGE_ERROR" && (
          <Anchor component="button" type="button" size="sm" onClick={() => go("logs")}>
            Show log
          </Anchor>
        )}
        {undo && (
          <Anchor component="button" type="button" size="sm" fw={600} onClick={undo}>
            Undo
          </Anchor>
        )}
      </Group>
    </>
  );
}
