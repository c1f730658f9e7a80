
// The board: asks for the list of runs again and again, and changes what has changed.
(() => {
  const kEvery = 1500; // milliseconds
  const kMostDrawn = 12; // where nothing is selected
  const $ = (id) => document.getElementById(id);
  const body = $("runs").tBodies[0];
  const rows = new Map(); // by the run's id
  let runs = [];
  let order = { column: 1, down: false };
  let drawn = "";

  function made(name, parent, text = "", classes = "") {
    const element = document.createElement(name);
    if (text) element.textContent = text;
    if (classes) element.className = classes;
    if (parent) parent.append(element);
    return element;
  }
  // Writes only what differs: a selection of text survives, and a screen reader is not told again.
  const put = (element, text) => {
    if (element.textContent !== text) element.textContent = text;
  };

  function seconds(value) {
    if (value === undefined || value === null) return "";
    if (value < 60) return value.toFixed(value < 10 ? 1 : 0) + " s";
    if (value < 3600) return Math.floor(value / 60) + " min " + String(Math.round(value % 60) % 60).padStart(2, "0") + " s";
    return Math.floor(value / 3600) + " h " + String(Math.floor((value % 3600) / 60)).padStart(2, "0") + " min";
  }
  function score(run, value) {
    if (value === null) return "-";
    return run.unit === "score" ? value.toFixed(3) : (value * 100).toFixed(1) + "%";
  }
  const points = (run, value) =>
    value === null ? "-" : run.unit === "score" ? value.toFixed(3) : (value * 100).toFixed(1);

  function rowOf(run) {
    const tr = document.createElement("tr");
    const row = { tr, cells: {} };
    row.box = made("input", made("td", tr));
    row.box.type = "checkbox";
    row.box.name = "run";
    row.box.value = run.id;
    row.box.setAttribute("aria-label", "Select " + run.id);
    row.box.addEventListener("change", () => show());
    const name = made("th", tr);
    name.scope = "row";
    row.swatch = made("span", name, "", "swatch");
    row.link = made("a", name, run.id);
    row.link.href = "/report?run=" + encodeURIComponent(run.id);
    row.recipe = made("small", name);
    row.cells.learner = made("td", tr, "", "words");
    const data = made("td", tr, "", "words");
    row.cells.data = made("span", data);
    row.cells.scenario = made("small", data);
    row.state = made("td", tr, "", "words");
    row.badge = made("span", row.state, "", "state");
    row.part = made("small", row.state);
    row.bar = made("progress", row.state);
    row.bar.setAttribute("aria-label", "Progress of " + run.id);
    for (const key of ["tasks", "last", "average", "forgetting", "time", "left"]) row.cells[key] = made("td", tr);
    return row;
  }

  // Whole tasks, and the part of the current one that is known.
  function progressOf(run) {
    const part = run.part && run.part.total > 0 && /training|learning/.test(run.part.name) ? run.part.done / run.part.total : 0;
    return run.tasks > 0 ? Math.min(1, (run.learned + part) / run.tasks) : null;
  }

  function partOf(run) {
    if (run.fault) return run.fault;
    if (!run.part) return "";
    const said = [run.part.name];
    if (run.part.rate > 0) said.push(`${run.part.rate < 10 ? run.part.rate.toFixed(2) : Math.round(run.part.rate)} ${run.part.unit} a second`);
    if (run.part.note) said.push(run.part.note);
    return said.join(", ");
  }

  function fill(row, run) {
    row.run = run;
    put(row.recipe, run.recipe === run.id ? "" : run.recipe);
    put(row.cells.learner, run.learner);
    put(row.cells.data, run.data);
    put(row.cells.scenario, run.scenario);
    put(row.badge, run.state);
    row.badge.dataset.state = run.state;
    put(row.part, partOf(run));
    const part = run.state === "running" ? progressOf(run) : null;
    row.bar.hidden = run.state !== "running";
    if (part === null) row.bar.removeAttribute("value");
    else row.bar.value = part;
    put(row.cells.tasks, run.tasks > 0 ? `${run.learned}/${run.tasks}` : "-");
    put(row.cells.last, score(run, run.last));
    put(row.cells.average, score(run, run.average));
    put(row.cells.forgetting, points(run, run.forgetting));
    put(row.cells.time, run.seconds > 0 ? seconds(run.seconds) : "-");
    put(row.cells.left, seconds(run.seconds_left));
    row.box.disabled = run.curve.length === 0 || run.state === "unreadable";
    if (row.box.disabled) row.box.checked = false;
  }

  const kKeys = [
    null,
    (run) => run.id,
    (run) => run.learner || null,
    (run) => run.data || null,
    (run) => ["running", "cut short", "unreadable", "finished"].indexOf(run.state),
    (run) => (run.tasks > 0 ? run.learned / run.tasks : null),
    (run) => run.last,
    (run) => run.average,
    (run) => run.forgetting,
    (run) => run.seconds,
    (run) => run.seconds_left ?? null,
  ];

  function matches(run) {
    const words = $("filter").value.toLowerCase().split(/\s+/).filter((word) => word);
    const text = [run.id, run.recipe, run.learner, run.data, run.scenario].join(" ").toLowerCase();
    const state = $("state").value;
    return words.every((word) => text.includes(word)) && (state === "" || run.state === state);
  }

  function visible() {
    const key = kKeys[order.column];
    return runs
      .filter(matches)
      .sort((a, b) => patina.compare(key(a), key(b), order.down) || a.id.localeCompare(b.id));
  }

  function arrange(shown) {
    const wanted = shown.map((run) => rows.get(run.id).tr);
    const there = [...body.rows];
    if (wanted.length === there.length && wanted.every((tr, i) => tr === there[i])) return;
    const focused = document.activeElement;
    body.replaceChildren(...wanted);
    if (focused && body.contains(focused)) focused.focus();
  }

  // The selected runs, or where none is, those that changed last.
  function draw(shown) {
    const selected = shown.filter((run) => rows.get(run.id).box.checked);
    const unit = (selected[0] ?? shown[0])?.unit ?? "accuracy";
    const candidates = (selected.length > 0 ? selected : shown).filter((run) => run.curve.length > 0 && run.unit === unit);
    const latest = [...candidates].sort((a, b) => a.changed_seconds_ago - b.changed_seconds_ago).slice(0, selected.length > 0 ? candidates.length : kMostDrawn);
    const series = candidates.filter((run) => latest.includes(run));
    const data = {
      unit: unit === "score" ? "score" : "percent",
      series_of_run: [],
      series: series.map((run) => ({
        label: run.id,
        accuracy: { mean: run.curve, deviation: run.curve.map(() => null) },
      })),
    };
    put($("shown"), series.length === 0 ? "No run shown has learned a task yet."
      : (unit === "score" ? "Mean score of the tasks learned so far, in the unit of their metric." : "Over the test samples of all classes seen so far, in percent.") +
        (selected.length > 0 ? ` The ${series.length} selected.` : candidates.length > series.length ? ` The ${series.length} that changed last; select runs to see others.` : ""));
    const text = JSON.stringify(data);
    if (text !== drawn) {
      drawn = text;
      patina.show(data);
    }
    const colors = new Map(series.map((run, i) => [run.id, patina.seriesColor(i)]));
    for (const [id, row] of rows) row.swatch.style.background = colors.get(id) ?? "transparent";
  }

  function show() {
    const shown = visible();
    arrange(shown);
    const selected = shown.filter((run) => rows.get(run.id).box.checked).length;
    $("compare").disabled = selected === 0;
    put($("compare"), selected > 1 ? `Compare ${selected} runs` : selected === 1 ? "Show the report" : "Compare");
    $("none").disabled = selected === 0;
    $("all").checked = selected > 0 && selected === shown.filter((run) => !rows.get(run.id).box.disabled).length;
    $("all").indeterminate = selected > 0 && !$("all").checked;
    put($("count"), shown.length === runs.length ? "" : `${shown.length} of ${runs.length} runs shown.`);
    draw(shown);
  }

  function take(list) {
    runs = list.runs;
    const known = new Set(runs.map((run) => run.id));
    for (const [id, row] of rows)
      if (!known.has(id)) {
        row.tr.remove();
        rows.delete(id);
      }
    for (const run of runs) {
      if (!rows.has(run.id)) rows.set(run.id, rowOf(run));
      fill(rows.get(run.id), run);
    }
    const running = runs.filter((run) => run.state === "running").length;
    const facts = [`${runs.length} ${runs.length === 1 ? "run" : "runs"}`, `${running} running`, list.folder];
    $("facts").replaceChildren(...facts.map((fact) => made("li", null, fact)));
    if (runs.length === 0) say("There are no runs in this folder yet. They appear here as soon as they begin.");
    show();
  }

  function say(text, wrong = false) {
    put($("said"), text);
    $("said").className = wrong ? "wrong" : "";
  }

  async function look() {
    if (!document.hidden)
      try {
        const response = await fetch("/runs", { cache: "no-store" });
        const list = await response.json();
        if (!response.ok) throw new Error(list.error.message);
        say("");
        take(list);
      } catch (error) {
        say(error instanceof TypeError ? "The board's server does not answer; trying again." : error.message, true);
      }
    setTimeout(look, kEvery);
  }

  patina.makeSortable($("runs"), (table, column, down) => {
    order = { column, down };
    [...table.tHead.rows[0].cells].forEach((head, i) => {
      if (i === column) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    show();
  });
  $("filter").addEventListener("input", show);
  $("state").addEventListener("change", show);
  const select = (on) => {
    for (const run of visible()) {
      const { box } = rows.get(run.id);
      box.checked = on && !box.disabled;
    }
    show();
  };
  $("all").addEventListener("change", () => select($("all").checked));
  $("none").addEventListener("click", () => select(false));
  // What the filter hides is not compared.
  $("runs-form").addEventListener("submit", () => {
    const shown = new Set(visible().map((run) => run.id));
    for (const [id, row] of rows) if (!shown.has(id)) row.box.checked = false;
  });
  $("filter").addEventListener("keydown", (event) => {
    if (event.key === "Enter") event.preventDefault();
  });
  look();
})();
