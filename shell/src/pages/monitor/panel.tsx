import { AreaChart, ChartTooltip } from "@mantine/charts";
import { Card, Group, Text } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { memo } from "react";
import { clock } from "../../parts/format";
import { type Point, roundTop } from "../../state/series";

interface Props {
  title: string;
  /** The present value, readable without hovering. */
  value: string;
  about: string;
  points: Point[];
  /** How much time the chart shows, also where there are readings of a part of it only. */
  seconds: number;
  lines: { key: string; name: string; colour: string }[];
  most?: number | undefined;
  format: (value: number) => string;
}

export const Panel = memo(function Panel({ title, value, about, points, seconds, lines, most, format }: Props) {
  const large = useMediaQuery("(min-width: 2400px)", undefined, { getInitialValueInEffect: false });
  const to = points.at(-1)?.at ?? 0;
  const top = most ?? roundTop(Math.max(0, ...points.flatMap((point) => lines.map(({ key }) => point[key] ?? 0))));
  const series = lines.map(({ key, name, colour }) => ({ name: key, label: name, color: colour }));
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
          data={points}
          dataKey="at"
          series={series}
          withDots={false}
          withLegend={lines.length > 1}
          strokeWidth={1.6}
          fillOpacity={0.14}
          curveType="monotone"
          tickLine="none"
          gridAxis="x"
          valueFormatter={format}
          xAxisProps={{
            type: "number",
            domain: [to - seconds, to],
            ticks: [to - seconds, to - seconds / 2, to],
            tickFormatter: clock,
            allowDataOverflow: true,
          }}
          yAxisProps={{ width: large ? 116 : 76, domain: [0, top], ticks: [0, top / 2, top] }}
          tooltipProps={{
            content: ({ label, payload }) => (
              <ChartTooltip label={clock(Number(label))} payload={payload} series={series} valueFormatter={format} />
            ),
          }}
          areaProps={{ isAnimationActive: false }}
          tooltipAnimationDuration={0}
        />
      </div>
    </Card>
  );
});
