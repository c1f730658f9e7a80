// Draws the report's charts from the JSON in the page, in the colours of page.css, light or dark.
"use strict";

const data = JSON.parse(document.getElementById("report-data").textContent);
const kShapes = ["circle", "rectRot", "triangle", "rect", "star", "crossRot", "rectRounded", "cross"];
const kPhases = ["Load", "Train", "Evaluate", "Checkpoint", "Other"];
const kDashes = [[], [6, 4], [2, 3], [10, 3, 2, 3]];
const kColors = 8;

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
// When the colours are used up, they come again with other shapes, other dashes and paler bars.
const round = (i) => Math.floor(i / kColors);
const seriesColor = (i) => color(`--series-${(i % kColors) + 1}`);
const seriesFill = (i) => seriesColor(i) + ["", "77", "22"][Math.min(round(i), 2)];
const seriesShape = (i) => kShapes[(i + round(i)) % kShapes.length];
const percents = (values) => values.map((value) => (value === null ? null : value * 100));
const longest = Math.max(0, ...data.series.map((one) => one.seconds.mean.reduce((a, b) => a + b, 0)));
const [timeUnit, unitSeconds] =
  longest > 3 * 3600 ? ["hours", 3600] : longest > 300 ? ["minutes", 60] : ["seconds", 1];
const taskNumbers = (key) => {
  const most = Math.max(0, ...data.series.map((one) => one[key].mean.length));
  return Array.from({ length: most }, (_, task) => String(task + 1));
};

function axis(title, more) {
  return {
    title: { display: true, text: title, color: color("--soft") },
    ticks: { color: color("--soft") },
    grid: { color: color("--rule"), borderColor: color("--rule") },
    ...more,
  };
}

function options(x, y, more) {
  return {
    animation: false,
    responsive: true,
    maintainAspectRatio: false,
    interaction: { mode: "index", intersect: false },
    scales: { x, y },
    plugins: {
      legend: {
        position: "top",
        align: "start",
        labels: {
          color: color("--ink"),
          usePointStyle: true,
          boxWidth: 9,
          boxHeight: 7,
          padding: 16,
          filter: (item, { datasets }) => !datasets[item.datasetIndex].edge,
        },
        // A line's band comes and goes with it.
        onClick: (_, item, { chart }) => {
          const shown = chart.isDatasetVisible(item.datasetIndex);
          chart.data.datasets.forEach((set, i) => {
            if (set.label === item.text) chart.setDatasetVisibility(i, !shown);
          });
          chart.update();
        },
      },
      tooltip: {
        filter: (item) => !item.dataset.edge,
        callbacks: {
          label: ({ dataset, dataIndex, formattedValue }) => {
            const deviation = dataset.deviations?.[dataIndex];
            return ` ${dataset.label}: ${formattedValue}${deviation == null ? "" : ` ± ${deviation.toFixed(1)}`}`;
          },
        },
      },
    },
    ...more,
  };
}

// A line for each series, its points drawn in the series' shape; with several seeds between the
// edges of a band. `at` places a value on the x axis.
const lines = (values, at = (_, value) => value) =>
  data.series.flatMap((one, i) => {
    const means = percents(values(one).mean);
    const deviations = percents(values(one).deviation);
    const edge = (sign, more) => ({
      label: one.label,
      edge: true,
      data: means.map((mean, k) => at(k, mean === null ? null : mean + sign * (deviations[k] ?? 0), one)),
      backgroundColor: seriesColor(i) + "2b",
      borderWidth: 0,
      pointRadius: 0,
      pointHoverRadius: 0,
      ...more,
    });
    const line = {
      label: one.label,
      data: means.map((mean, k) => at(k, mean, one)),
      deviations,
      borderColor: seriesColor(i),
      backgroundColor: seriesColor(i),
      borderDash: kDashes[round(i) % kDashes.length],
      borderWidth: 2.25,
      pointStyle: seriesShape(i),
      pointRadius: 4.5,
      pointHoverRadius: 6,
    };
    const spread = deviations.some((deviation) => deviation !== null);
    return spread ? [edge(-1), edge(1, { fill: "-1" }), line] : [line];
  });
const percentAxis = () => axis("accuracy, %", { min: 0, max: 100 });

const charts = {
  accuracy: () => ({
    type: "line",
    data: { labels: taskNumbers("accuracy"), datasets: lines((one) => one.accuracy) },
    options: options(axis("tasks learned"), percentAxis()),
  }),

  anytime: () => ({
    type: "line",
    data: {
      datasets: lines(
        (one) => one.anytime,
        (k, y, one) => ({ x: one.anytime.samples[k], y }),
      ).filter((set) => set.data.length > 0),
    },
    options: options(axis("samples seen", { type: "linear", min: 0 }), percentAxis()),
  }),

  forgetting: () => {
    const labels = taskNumbers("forgetting");
    // The last task has had no time to be forgotten.
    const last = labels.length - 1;
    const dropLast = last > 0 && data.series.every((one) => one.forgetting.mean[last] == null);
    return {
      type: "bar",
      data: {
        labels: dropLast ? labels.slice(0, -1) : labels,
        datasets: data.series.map((one, i) => ({
          label: one.label,
          data: percents(one.forgetting.mean),
          deviations: percents(one.forgetting.deviation),
          backgroundColor: seriesFill(i),
          borderColor: seriesColor(i),
          borderWidth: round(i) > 0 ? 1.5 : 1, // stars and crosses are nothing but their border
          pointStyle: seriesShape(i),
          borderRadius: 2,
        })),
      },
      options: options(axis("task", { grid: { display: false } }), axis("percentage points")),
    };
  },

  time: () => ({
    type: "bar",
    data: {
      labels: data.series.map((one) => one.label),
      datasets: kPhases.map((phase, i) => ({
        label: phase,
        data: data.series.map((one) => one.seconds.mean[i] / unitSeconds),
        backgroundColor: color(`--phase-${i + 1}`),
        pointStyle: "rectRounded",
        maxBarThickness: 34,
      })),
    },
    options: options(
      axis(timeUnit, { stacked: true }),
      axis("", { stacked: true, grid: { display: false }, title: { display: false } }),
      { indexAxis: "y" },
    ),
  }),
};

let drawn = [];

function draw() {
  drawn.forEach((chart) => chart.destroy());
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  Chart.defaults.font.size = 13;
  drawn = [...document.querySelectorAll("canvas[data-chart]")].map(
    (canvas) => new Chart(canvas, charts[canvas.dataset.chart]()),
  );
  document.querySelectorAll(".swatch").forEach((swatch) => {
    const series = data.series_of_run[Number(swatch.dataset.run)];
    swatch.style.background = seriesFill(series);
    swatch.style.boxShadow = `inset 0 0 0 1.5px ${seriesColor(series)}`;
  });
}

draw();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

// Paper shows everything: charts at its width, and what is folded on the screen.
const kPaper = [700, 300];
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")];
  folded.forEach((details) => (details.open = true));
  drawn.forEach((chart) => chart.resize(...kPaper));
});
addEventListener("afterprint", () => {
  folded.forEach((details) => (details.open = false));
  drawn.forEach((chart) => chart.resize());
});
