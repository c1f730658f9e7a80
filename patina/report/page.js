// Draws charts from the JSON in the page, in the colours of page.css, light or dark, and sorts
// tables. The board draws with it, too.
"use strict";

const patina = (() => {
  const kShapes = ["circle", "rectRot", "triangle", "rect", "star", "crossRot", "rectRounded", "cross"];
  const kParts = ["Load", "Train", "Evaluate", "Checkpoint", "Other"];
  const kDashes = [[], [6, 4], [2, 3], [10, 3, 2, 3]];
  const kColors = 8; // of page.css
  const kMostInLegend = 12;

  let data = { unit: "percent", series: [], series_of_run: [] };
  let drawn = [];

  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // A colour of the OKLCH space (Ottosson, 2020) as the browser writes it.
  function oklch(lightness, chroma, hue) {
    const a = chroma * Math.cos((hue * Math.PI) / 180);
    const b = chroma * Math.sin((hue * Math.PI) / 180);
    const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
    const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
    const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
    const linear = [
      4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
      -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
      -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
    ];
    const byte = (x) => {
      const value = Math.min(1, Math.max(0, x));
      const coded = value <= 0.0031308 ? 12.92 * value : 1.055 * value ** (1 / 2.4) - 0.055;
      return Math.round(coded * 255).toString(16).padStart(2, "0");
    };
    return "#" + linear.map(byte).join("");
  }

  // A colour for each series, none twice: those of page.css while they last, otherwise hues at equal
  // distances in three lightnesses.
  function seriesColor(i) {
    const count = data.series.length;
    if (count <= kColors) return color(`--series-${i + 1}`);
    const hues = Math.ceil(count / 3);
    const level = Math.floor(i / hues);
    const lightness = Number(color("--series-lightness")) + [0, 0.13, -0.12][level];
    return oklch(lightness, 0.14, ((i % hues) * 360) / hues + level * (120 / hues) + 20);
  }
  const seriesShape = (i) => kShapes[i % kShapes.length];
  const seriesDash = (i) => kDashes[Math.floor(i / kColors) % kDashes.length];

  // Accuracies are drawn in percent, scores of texts in their own unit.
  const scale = () => (data.unit === "percent" ? 100 : 1);
  const scaled = (values, by) => values.map((value) => (value === null ? null : value * by));
  const taskNumbers = (key) => {
    const most = Math.max(0, ...data.series.map((one) => one[key].mean.length));
    return Array.from({ length: most }, (_, task) => String(task + 1));
  };

  // Round numbers around what is drawn, within the values that there can be.
  function bounds(values, by, lowest = -Infinity, highest = Infinity) {
    let low = Infinity, high = -Infinity;
    for (const { mean, deviation } of values)
      mean.forEach((value, k) => {
        if (value === null) return;
        low = Math.min(low, (value - (deviation[k] ?? 0)) * by);
        high = Math.max(high, (value + (deviation[k] ?? 0)) * by);
      });
    if (low > high) return {};
    const span = Math.max(high - low, Math.abs(high) * 0.02, 1e-9);
    const rough = span / 5;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
    return {
      min: Math.max(lowest, Math.floor((low - span * 0.04) / step) * step),
      max: Math.min(highest, Math.ceil((high + span * 0.04) / step) * step),
    };
  }

  function axis(title, more) {
    return {
      title: { display: title !== "", text: title, color: color("--soft") },
      ticks: { color: color("--soft") },
      grid: { color: color("--rule"), borderColor: color("--rule") },
      ...more,
    };
  }

  const round = (value) => (value === null || value === undefined ? "-" : Number(value.toPrecision(4)).toString());

  function options(x, y, more) {
    const many = data.series.length > kMostInLegend;
    return {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      interaction: many ? { mode: "nearest", intersect: false } : { mode: "index", intersect: false },
      scales: { x, y },
      plugins: {
        legend: {
          display: !many || more?.indexAxis === "y",
          position: "top",
          align: "start",
          labels: {
            color: color("--ink"),
            usePointStyle: true,
            boxWidth: 9,
            boxHeight: 7,
            padding: 14,
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
            label: ({ dataset, dataIndex, parsed }) => {
              const value = more?.indexAxis === "y" ? parsed.x : parsed.y;
              const deviation = dataset.deviations?.[dataIndex];
              return ` ${dataset.label}: ${round(value)}${deviation == null ? "" : ` ± ${round(deviation)}`}`;
            },
          },
        },
      },
      ...more,
    };
  }

  // A line for each series, its points drawn in the series' shape; with several seeds between the
  // edges of a band. `at` places a value on the x axis.
  const lines = (values, by = scale(), at = (_, value) => value) =>
    data.series.flatMap((one, i) => {
      const means = scaled(values(one).mean, by);
      const deviations = scaled(values(one).deviation, by);
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
        borderDash: seriesDash(i),
        borderWidth: 2.25,
        pointStyle: seriesShape(i),
        pointRadius: means.length > 40 ? 0 : 4,
        pointHoverRadius: 6,
        spanGaps: true,
        clip: 8, // marks at an edge are whole
      };
      const spread = deviations.some((deviation) => deviation !== null);
      return spread ? [edge(-1), edge(1, { fill: "-1" }), line] : [line];
    });

  const all = (key) => data.series.map((one) => one[key]);
  const scoreAxis = (key) =>
    data.unit === "percent" ? axis("accuracy, %", bounds(all(key), 100, 0, 100)) : axis("score", bounds(all(key), 1));
  const byTask = (title) => axis(title, { grid: { display: false } });

  const lineChart = (key, x, y, by) => ({
    type: "line",
    data: { labels: taskNumbers(key), datasets: lines((one) => one[key], by) },
    options: options(byTask(x), y),
  });

  // Bars of each task, without tasks that no series has a value for at the end or the beginning.
  function barChart(key) {
    const labels = taskNumbers(key);
    const has = (task) => data.series.some((one) => one[key].mean[task] != null);
    let first = 0, end = labels.length;
    while (end > first && !has(end - 1)) --end;
    while (first < end && !has(first)) ++first;
    return {
      type: "bar",
      data: {
        labels: labels.slice(first, end),
        datasets: data.series.map((one, i) => ({
          label: one.label,
          data: scaled(one[key].mean, scale()).slice(first, end),
          deviations: scaled(one[key].deviation, scale()).slice(first, end),
          backgroundColor: seriesColor(i),
          borderColor: seriesColor(i),
          borderWidth: 1, // stars and crosses are nothing but their border
          pointStyle: seriesShape(i),
          borderRadius: 2,
        })),
      },
      options: options(byTask("task"), axis(data.unit === "percent" ? "percentage points" : "score")),
    };
  }

  function unitOf(key, units) {
    const most = Math.max(0, ...all(key).flatMap(({ mean }) => mean));
    return units.find(([, size]) => most >= size * 2) ?? units.at(-1);
  }
  const kTimes = [["hours", 3600], ["minutes", 60], ["seconds", 1], ["milliseconds", 0.001]];
  const kSizes = [["GB", 1e9], ["MB", 1e6], ["KB", 1e3], ["bytes", 1]];

  function measured(key, units) {
    const [unit, size] = unitOf(key, units);
    return lineChart(key, "task", axis(unit, { beginAtZero: true }), 1 / size);
  }

  const charts = {
    accuracy: () => lineChart("accuracy", "tasks learned", scoreAxis("accuracy")),
    learned: () => lineChart("learned", "task", scoreAxis("learned")),
    forgetting: () => barChart("forgetting"),
    backward: () => barChart("backward"),
    forward: () => barChart("forward"),
    task_seconds: () => measured("task_seconds", kTimes),
    stored: () => measured("stored", kSizes),

    anytime: () => ({
      type: "line",
      data: {
        datasets: lines((one) => one.anytime, 100, (k, y, one) => ({ x: one.anytime.samples[k], y })).filter(
          (set) => set.data.length > 0,
        ),
      },
      options: options(
        axis("samples seen", { type: "linear", min: 0 }),
        axis("accuracy, %", bounds(all("anytime"), 100, 0, 100)),
      ),
    }),

    time: () => {
      const longest = Math.max(0, ...all("seconds").map(({ mean }) => mean.reduce((a, b) => a + b, 0)));
      const [unit, size] = kTimes.find(([, one]) => longest >= one * 2) ?? kTimes.at(-1);
      return {
        type: "bar",
        data: {
          labels: data.series.map((one) => one.label),
          datasets: kParts.map((part, i) => ({
            label: part,
            data: data.series.map((one) => one.seconds.mean[i] / size),
            backgroundColor: color(`--part-${i + 1}`),
            pointStyle: "rectRounded",
            maxBarThickness: 34,
          })),
        },
        options: options(
          axis(unit, { stacked: true }),
          axis("", { stacked: true, grid: { display: false } }),
          { indexAxis: "y" },
        ),
      };
    },
  };

  function draw() {
    drawn.forEach((chart) => chart.destroy());
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    Chart.defaults.font.size = 13;
    drawn = [...document.querySelectorAll("canvas[data-chart]")].map(
      (canvas) => new Chart(canvas, charts[canvas.dataset.chart]()),
    );
    document.querySelectorAll(".swatch[data-run]").forEach((swatch) => {
      swatch.style.background = seriesColor(data.series_of_run[Number(swatch.dataset.run)]);
    });
  }

  function show(fresh) {
    data = fresh;
    draw();
  }

  // What a cell is sorted by: its own value, the number in it, or its text.
  function sortValue(cell) {
    if (!cell) return null;
    if (cell.dataset.v !== undefined) return Number(cell.dataset.v);
    const text = cell.textContent.trim();
    if (text === "" || text === "-") return null;
    const number = /^[-+]?[\d,]*\.?\d+(?:e[-+]?\d+)?(?=$|[\s%±])/i.exec(text);
    return number ? Number(number[0].replaceAll(",", "")) : text.toLowerCase();
  }

  // Below zero: `a` stands before `b`. What has no value stands last, either way.
  function compare(a, b, down) {
    if (a === null || b === null) return (a === null) - (b === null);
    const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
    return down ? -order : order;
  }

  function sortTable(table, column, down) {
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [sortValue(row.cells[column]), row]);
    rows.sort(([a], [b]) => compare(a, b, down));
    body.append(...rows.map(([, row]) => row));
    [...table.tHead.rows[0].cells].forEach((head, i) => {
      if (i === column) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
  }

  // Every title becomes a button; a number is sorted from the largest first.
  function makeSortable(table, sort = sortTable) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      if (head.querySelector("input")) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const before = head.getAttribute("aria-sort");
        const first = [...table.tBodies[0].rows].map((row) => sortValue(row.cells[column])).find((v) => v !== null);
        sort(table, column, before ? before === "ascending" : typeof first === "number");
      });
    });
  }

  document.querySelectorAll("table.sortable").forEach((table) => makeSortable(table));
  const given = JSON.parse(document.getElementById("report-data").textContent);
  if (given) show(given);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

  // Paper shows everything: charts at its width in dark on white, and what is folded on the screen.
  const kPaper = [700, 300];
  let folded = [];
  addEventListener("beforeprint", () => {
    document.documentElement.classList.add("paper");
    folded = [...document.querySelectorAll("details:not([open])")];
    folded.forEach((details) => (details.open = true));
    draw();
    drawn.forEach((chart) => chart.resize(kPaper[0], Math.max(kPaper[1], chart.canvas.parentNode.clientHeight)));
  });
  addEventListener("afterprint", () => {
    document.documentElement.classList.remove("paper");
    folded.forEach((details) => (details.open = false));
    draw();
  });

  return { show, makeSortable, compare, seriesColor };
})();
