// Filters a table: shows the rows whose heading contains the typed text.

export function sift(page) {
  for (const field of page.querySelectorAll("[data-sift]")) {
    const table = document.getElementById(field.dataset.sift);
    if (!table) continue;
    field.addEventListener("input", () => {
      const wanted = field.value.trim().toLowerCase();
      for (const row of table.tBodies[0].rows) {
        row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted);
      }
    });
  }
}
