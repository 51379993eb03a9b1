// The Use it box: a choice is shown at once, put into the address, and remembered for other images.

const storageKey = "goldenrod-use";

function remembered() {
  try {
    return JSON.parse(localStorage.getItem(storageKey)) || {};
  } catch {
    return {};
  }
}

function remember(form) {
  const { provider, architecture, as } = Object.fromEntries(new FormData(form));
  try {
    localStorage.setItem(storageKey, JSON.stringify({ ...remembered(), provider, architecture, as }));
  } catch {
    // The browser stores nothing: the choice is not remembered.
  }
}

function address(form) {
  const to = new URL(form.action);
  to.search = new URLSearchParams(new FormData(form));
  return to;
}

let request = null;

async function show(form) {
  request?.abort();
  request = new AbortController();
  const to = address(form);
  const focused = document.activeElement?.id;
  try {
    const answer = await fetch(to, { signal: request.signal });
    if (!answer.ok) return form.submit();
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const box = page.querySelector("[data-use]");
    document.querySelector("[data-use]").replaceWith(box);
    if (focused) document.getElementById(focused)?.focus();
    document.getElementById("use-status").textContent =
      (box.querySelector("output") || box.querySelector(".nothing")).textContent;
    to.hash = "";
    history.replaceState(null, "", to);
  } catch (stopped) {
    if (stopped.name !== "AbortError") form.submit();
  }
}

// Applies the remembered choices that this image has.
function begin(form) {
  if (new URLSearchParams(location.search).has("provider")) return;
  const before = remembered();
  const tab = [...form.querySelectorAll("[name=as]")].find((it) => it.value === before.as);
  if (tab) tab.checked = true;
  let other = false;
  for (const name of ["provider", "architecture"]) {
    const field = form.elements[name];
    const has = field && [...field.options].some((it) => it.value === before[name]);
    if (!has || field.value === before[name]) continue;
    field.value = before[name];
    other = true;
  }
  if (other) show(form);
}

export function use(page) {
  const form = page.querySelector("[data-use] form");
  if (!form) return;
  page.addEventListener("change", (event) => {
    const changed = event.target.closest("[data-use] form");
    if (!changed) return;
    remember(changed);
    if (event.target.name === "as") history.replaceState(null, "", address(changed));
    else show(changed);
  });
  begin(form);
}
