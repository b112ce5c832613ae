// A long table with the attribute data-search gets a search field and is split into pages. If scripts are forbidden, it
// shows every row.

const ROWS_PER_PAGE = 25;

/** @param {HTMLTableElement} table */
function addSearch(table) {
  const rows = [...table.tBodies[0].rows].map((row) => ({ row, text: row.textContent.toLowerCase() }));
  if (rows.length <= ROWS_PER_PAGE) return;
  const field = document.createElement("input");
  const status = document.createElement("span");
  const [back, forward] = ["Back", "Next"].map((name) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    return button;
  });
  let start = 0;

  function show() {
    const text = field.value.trim().toLowerCase();
    const matches = rows.filter((entry) => entry.text.includes(text));
    start = Math.max(0, Math.min(start, matches.length - 1));
    const shown = matches.slice(start, start + ROWS_PER_PAGE).map(({ row }) => row);
    table.tBodies[0].replaceChildren(...shown);
    status.textContent = matches.length
      ? `${start + 1} to ${start + shown.length} of ${matches.length.toLocaleString("en")}`
      : "No row contains this text.";
    back.disabled = start === 0;
    forward.disabled = start + ROWS_PER_PAGE >= matches.length;
  }

  /** @param {number} step */
  function turn(step) {
    start += step;
    show();
  }

  field.type = "search";
  field.placeholder = "Search";
  field.setAttribute("aria-label", table.dataset.search ?? "Search");
  field.addEventListener("input", () => turn(-start));
  back.addEventListener("click", () => turn(-ROWS_PER_PAGE));
  forward.addEventListener("click", () => turn(ROWS_PER_PAGE));
  status.setAttribute("role", "status");
  const bar = document.createElement("div");
  bar.className = "search";
  bar.append(field, status, back, forward);
  (table.closest(".scroll") ?? table).before(bar);
  addEventListener("beforeprint", () => table.tBodies[0].replaceChildren(...rows.map(({ row }) => row)));
  addEventListener("afterprint", show);
  show();
}

for (const table of document.querySelectorAll("table[data-search]")) {
  addSearch(/** @type {HTMLTableElement} */ (table));
}
