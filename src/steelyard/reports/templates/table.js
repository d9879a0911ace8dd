(() => {
  "use strict";
  // Buttons are made here, so that a page without scripts shows no dead controls.
  const number = (cell) => (cell.dataset.v === undefined || cell.dataset.v === "" ? null : Number(cell.dataset.v));
  const compare = (column, numeric, sign) => (a, b) => {
    const x = a.cells[column], y = b.cells[column];
    if (!numeric) return sign * x.textContent.trim().localeCompare(y.textContent.trim());
    const u = number(x), v = number(y);
    if (u === null || v === null) return (u === null) - (v === null);
    return sign * (u - v);
  };
  document.querySelectorAll("table[data-sortable]").forEach((table) => {
    const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const numeric = column > 0;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const was = head.getAttribute("aria-sort");
        const next = was === null ? (numeric ? "descending" : "ascending") : was === "ascending" ? "descending" : "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", next);
        body.append(...[...body.rows].sort(compare(column, numeric, next === "ascending" ? 1 : -1)));
      });
    });
    const tools = document.getElementById(table.dataset.sortable);
    if (!tools) return;
    const input = tools.querySelector("input"), status = tools.querySelector("output");
    const show = () => {
      const wanted = input.value.trim().toLocaleLowerCase();
      let shown = 0;
      for (const row of body.rows) {
        row.hidden = !row.cells[0].textContent.toLocaleLowerCase().includes(wanted);
        shown += row.hidden ? 0 : 1;
      }
      status.textContent = `${shown} of ${body.rows.length} labels`;
    };
    input.addEventListener("input", show);
    tools.hidden = false;
    show();
  });
})();
