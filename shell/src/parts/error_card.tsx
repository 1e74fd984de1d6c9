import { Alert, Button, Code, Group, ScrollArea, Spoiler, Text } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { go } from "../frame/route";
import { detailsOf, problemOf } from "../state/problem";
import { CopyButton } from "./copy_button";
import { RemedyButtons } from "./remedy_buttons";

interface Props {
  error: unknown;
  /** Where its log is: a source of the Logs page. */
  source?: string | undefined;
  onRetry?: (() => void) | undefined;
  onDismiss?: (() => void) | undefined;
  /** Buttons in place of those that lead to what helps. */
  children?: ReactNode;
}

/** An error where it occurred: what happened, what to do, and the way to the log. Stays until it is dealt with. */
export function ErrorCard({ error, source, onRetry, onDismiss, children }: Props) {
  const problem = problemOf(error);
  return (
    <Alert
      color="red"
      variant="outline"
      radius="md"
      role="alert"
      icon={<IconAlertTriangle aria-hidden />}
      title={problem.title}
      withCloseButton={onDismiss !== undefined}
      closeButtonLabel="Dismiss"
      {...(onDismiss && { onClose: onDismiss })}
      styles={{ title: { color: "var(--bad)" }, body: { minWidth: 0 } }}
    >
      {problem.hint && <Text size="sm">{problem.hint}</Text>}
      {problem.logTail && (
        <Spoiler maxHeight={72} showLabel="Show all of the log's end" hideLabel="Show less" mt="xs">
          <ScrollArea>
            <Code block tabIndex={0} role="region" aria-label="The end of the log">
              {problem.logTail}
            </Code>
          </ScrollArea>
        </Spoiler>
      )}
      <Group gap="xs" mt="sm">
        {children ?? <RemedyButtons remedies={problem.remedies} />}
        {onRetry && (
          <Button size="xs" variant="default" onClick={onRetry}>
            Try again
          </Button>
        )}
        <Button size="xs" variant="default" onClick={() => go("logs", source)}>
          Show log
        </Button>
        <CopyButton text={() => detailsOf(problem)} label="Copy details" />
      </Group>
    </Alert>
  );
}
