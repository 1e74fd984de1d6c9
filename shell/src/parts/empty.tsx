import { Stack, Text, ThemeIcon, Title } from "@mantine/core";
import type { ReactNode } from "react";

/** Nothing here yet, and what to do about it. */
export function Empty(props: { icon: ReactNode; title: string; children?: ReactNode; actions?: ReactNode }) {
  return (
    <Stack align="center" gap="sm" py={48} px="md" ta="center" m="auto" maw={520}>
      <ThemeIcon size={52} radius="xl" variant="default" aria-hidden>
        {props.icon}
      </ThemeIcon>
      <Title order={2} size="h4">
        {props.title}
      </Title>
      {props.children && (
        <Text c="dimmed" component="div">
          {props.children}
        </Text>
      )}
      {props.actions}
    </Stack>
  );
}
