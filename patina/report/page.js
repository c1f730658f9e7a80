// Draws the report's charts from the JSON in the page, in the colours of page.css, light or dark.
"use strict";

const data = JSON.parse(document.getElementById("report-data").textContent);
const kShapes = ["circle", "rectRot", "triangle", "rect", "star", "crossRot", "rectRounded", "cross"];
const kPhases = ["Load", "Train", "Evaluate", "Checkpoint", "Other"];
const kColors = 8;

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const seriesColor = (run) => color(`--series-${(run % kColors) + 1}`);
const points = (values) => values.map((value) => (value === null ? null : value * 100));
const longest = Math.max(0, ...data.runs.map((run) => run.seconds.reduce((a, b) => a + b, 0)));
const [timeUnit, unitSeconds] =
  longest > 3 * 3600 ? ["hours", 3600] : longest > 300 ? ["minutes", 60] : ["seconds", 1];
const taskNumbers = (key) => {
  const most = Math.max(0, ...data.runs.map((run) => run[key].length));
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
        labels: { color: color("--ink"), usePointStyle: true, boxWidth: 9, boxHeight: 7, padding: 16 },
      },
      tooltip: { callbacks: { label: (item) => ` ${item.dataset.label}: ${item.formattedValue}` } },
    },
    ...more,
  };
}

// A line a run, its points drawn in the run's shape.
const lines = (values) =>
  data.runs.map((run, i) => ({
    label: run.label,
    data: values(run),
    borderColor: seriesColor(i),
    backgroundColor: seriesColor(i),
    borderDash: i < kColors ? [] : [6, 4],
    borderWidth: 2.25,
    pointStyle: kShapes[i % kShapes.length],
    pointRadius: 4.5,
    pointHoverRadius: 6,
  }));
const percentAxis = () => axis("accuracy, %", { min: 0, max: 100 });

const charts = {
  accuracy: () => ({
    type: "line",
    data: { labels: taskNumbers("accuracy"), datasets: lines((run) => points(run.accuracy)) },
    options: options(axis("tasks learned"), percentAxis()),
  }),

  anytime: () => ({
    type: "line",
    data: {
      datasets: lines((run) =>
        run.anytime.map(({ samples, accuracy }) => ({
          x: samples,
          y: accuracy === null ? null : accuracy * 100,
        })),
      ).filter((set) => set.data.length > 0),
    },
    options: options(axis("samples seen", { type: "linear", min: 0 }), percentAxis()),
  }),

  forgetting: () => {
    const labels = taskNumbers("forgetting");
    // The last task has had no time to be forgotten.
    const last = labels.length - 1;
    const dropLast = last > 0 && data.runs.every((run) => run.forgetting[last] == null);
    return {
      type: "bar",
      data: {
        labels: dropLast ? labels.slice(0, -1) : labels,
        datasets: data.runs.map((run, i) => ({
          label: run.label,
          data: points(run.forgetting),
          backgroundColor: seriesColor(i),
          pointStyle: kShapes[i % kShapes.length],
          borderRadius: 2,
        })),
      },
      options: options(axis("task", { grid: { display: false } }), axis("percentage points")),
    };
  },

  time: () => ({
    type: "bar",
    data: {
      labels: data.runs.map((run) => run.label),
      datasets: kPhases.map((phase, i) => ({
        label: phase,
        data: data.runs.map((run) => run.seconds[i] / unitSeconds),
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
    swatch.style.background = seriesColor(Number(swatch.dataset.run));
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
