// Refreshes the impact of a change when one of its options changes.

const parts = ["#touch", "#act", "input[name=touched]"];

async function recount(form) {
  const fields = new URLSearchParams(new FormData(form));
  fields.set("do", "count");
  const answer = await fetch(form.action, { method: "POST", body: fields });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of parts) {
    const [now, then] = [document.querySelector(part), page.querySelector(part)];
    if (now && then) now.replaceWith(then);
  }
}

export function recounts(page) {
  page.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-recount]");
    if (form && (event.target.matches("[data-count]") || event.target.type === "datetime-local")) {
      recount(form);
    }
  });
}
