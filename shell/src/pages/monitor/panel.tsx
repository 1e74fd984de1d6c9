import { AreaChart } from "@mantine/charts";
import { Card, Group, Text } from "@mantine/core";
import { memo } from "react";
import { clock } from "../../parts/format";
import type { Point } from "../../state/series";

interface Props {
  title: string;
  /** The present value, readable without hovering. */
  value: string;
  about: string;
  points: Point[];
  lines: { key: string; name: string; colour: string }[];
  most?: number | undefined;
  format: (value: number) => string;
}

export const Panel = memo(function Panel({ title, value, about, points, lines, most, format }: Props) {
  const data = points.map(({ at, ...values }) => ({ ...values, time: clock(at) }));
  return (
    <Card component="section" aria-label={`${title}: ${value}`}>
      <Group justify="space-between" align="baseline" gap={8} wrap="nowrap">
        <Text fw={600} component="h2" m={0} size="sm">
          {title}
        </Text>
        <Text fw={600} size="xl">
          {value}
        </Text>
      </Group>
      <Text size="xs" c="dimmed" mb={8} truncate title={about}>
        {about}
      </Text>
      <div aria-hidden>
        <AreaChart
          h={130}
          data={data}
          dataKey="time"
          series={lines.map(({ key, name, colour }) => ({ name: key, label: name, color: colour }))}
          withDots={false}
          withLegend={lines.length > 1}
          strokeWidth={1.6}
          fillOpacity={0.14}
          curveType="monotone"
          tickLine="none"
          gridAxis="y"
          valueFormatter={format}
          xAxisProps={{ minTickGap: 60 }}
          yAxisProps={{ width: 62, domain: [0, most ?? "auto"], tickCount: 4 }}
          areaProps={{ isAnimationActive: false }}
          tooltipAnimationDuration={0}
        />
      </div>
    </Card>
  );
});
