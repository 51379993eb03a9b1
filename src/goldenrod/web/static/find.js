// Search while typing: shows the answer of /search/suggest below the field.
//
// The results are plain links. Arrow keys move between the field and the links, Enter follows a link,
// Escape returns to the field. When the field has its first value again, the page's own results return.

const wait = 120;

function announcement(results) {
  const found = results.querySelectorAll("[data-result]").length;
  return found ? `${found} found` : results.textContent.trim();
}

function suggest(form, field, results) {
  const first = results.innerHTML;
  const start = field.value;
  const here = location.href;
  const status = document.getElementById(`${form.dataset.suggest}-status`);
  let timer = 0;
  let request = null;

  // The address has the words, so that it can be sent, and the back button returns to these results.
  function put(address) {
    if (results.dataset.pops === undefined) history.replaceState(history.state, "", address);
  }

  function show(html) {
    results.innerHTML = html;
    results.hidden = !html;
    if (status) status.textContent = announcement(results);
  }

  async function ask() {
    const words = field.value.trim();
    request?.abort();
    if (words === start.trim()) {
      put(here);
      return show(first);
    }
    const asked = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (value.trim()) asked.set(name, value.trim());
    put(`/search?${asked}`);
    if (!words) return show("");
    request = new AbortController();
    const address = `/search/suggest?${asked}`;
    try {
      const answer = await fetch(address, { signal: request.signal });
      if (answer.ok) show(await answer.text());
    } catch (stopped) {
      if (stopped.name !== "AbortError") throw stopped;
    }
  }

  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, wait);
  });
  return () => show(results.dataset.pops === undefined ? first : "");
}

function move(links, from, by) {
  const next = links.indexOf(from) + by;
  return next >= links.length ? null : links[next];
}

export function find(page) {
  for (const form of page.querySelectorAll("form[data-suggest]")) {
    const field = form.querySelector("input[type=search]");
    const results = document.getElementById(form.dataset.suggest);
    const leave = suggest(form, field, results);
    if (document.activeElement === field) field.setSelectionRange(field.value.length, field.value.length);
    const within = (event) => form.contains(event.target) || results.contains(event.target);
    page.addEventListener("keydown", (event) => {
      if (!within(event)) return;
      const links = [...results.querySelectorAll("a[data-result]")];
      if (event.key === "Escape") {
        field.focus();
        leave();
      } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        const to = move(links, document.activeElement, event.key === "ArrowDown" ? 1 : -1);
        if (to === null) return;
        event.preventDefault();
        (to || field).focus();
      }
    });
    if (results.dataset.pops !== undefined) {
      page.addEventListener("pointerdown", (event) => { if (!within(event)) leave(); });
      page.addEventListener("focusin", (event) => { if (!within(event)) leave(); });
    }
  }
}
