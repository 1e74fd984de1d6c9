import { Card, Stack, Table, Text } from "@mantine/core";
import { useLink } from "../../link/link";
import { useAnswer } from "../../link/use_answer";

/** Which sidecar this is, where its data is, which engines there are. */
export function About() {
  const hello = useLink((link) => link.hello);
  const { value: engines } = useAnswer("engines", (client) => client.list_engines());
  const rows: [string, string][] = hello
    ? [
        ["Version", `${hello.server.name} ${hello.server.version}`],
        ["Contract", hello.contract_version],
        ["Data folder", hello.data_dir],
        ["Process", String(hello.pid)],
      ]
    : [];
  return (
    <Stack>
      <Card>
        <Table fz="sm">
          <Table.Tbody>
            {rows.map(([name, value]) => (
              <Table.Tr key={name}>
                <Table.Th scope="row" w="30%" fw={500}>
                  {name}
                </Table.Th>
                <Table.Td style={{ overflowWrap: "anywhere" }}>{value}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Card>
      <Card>
        <Text fw={600} component="h2" m={0} mb="sm">
          Engines
        </Text>
        <Stack gap="sm">
          {engines?.map(({ engine, available, version, message, path }) => (
            <div key={engine}>
              <Text fw={500}>
                <span className="dot" data-state={available ? "good" : "idle"} aria-hidden /> {engine}{" "}
                <Text span size="sm" c="dimmed">
                  {available ? (version ?? "") : "not here"}
                </Text>
              </Text>
              <Text size="sm" c="dimmed" style={{ overflowWrap: "anywhere" }}>
                {available ? path : message}
              </Text>
            </div>
          ))}
        </Stack>
      </Card>
      {hello?.notices.map(({ name, message, hint }) => (
        <Card key={name}>
          <Text fw={500}>{message}</Text>
          <Text size="sm">{hint}</Text>
        </Card>
      ))}
    </Stack>
  );
}
