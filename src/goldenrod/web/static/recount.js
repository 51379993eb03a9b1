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

// Filling the time chooses "schedule"; choosing "now" empties the time.
function choose(target) {
  const set = target.closest("fieldset");
  const [now, then] = [set?.querySelector("input[value=now]"), set?.querySelector("input[value=then]")];
  if (!now || !then) return;
  const time = set.querySelector("input[type=datetime-local]");
  if (target === time && time.value) then.checked = true;
  if (target === now) {
    time.value = "";
    time.dispatchEvent(new Event("input"));
  }
}

export function recounts(page) {
  page.addEventListener("input", (event) => {
    if (event.target.type === "datetime-local") choose(event.target);
  });
  page.addEventListener("change", (event) => {
    choose(event.target);
    const form = event.target.closest("form[data-recount]");
    if (form && (event.target.matches("[data-count]") || event.target.type === "datetime-local")) {
      recount(form);
    }
  });
}
