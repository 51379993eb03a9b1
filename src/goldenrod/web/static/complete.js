// Completes names while they are typed: fills the <datalist> of a field with data-complete.
//
// The browser shows the list and moves in it by keyboard. With data-many, the field has several names
// with commas between them, and the last one is completed. Without JavaScript the field takes names all
// the same.

const wait = 120;
let timer = 0;
let request = null;

function listOf(field) {
  if (field.list) return field.list;
  const list = document.createElement("datalist");
  list.id = `${field.id}-names`;
  field.after(list);
  field.setAttribute("list", list.id);
  return list;
}

// What was typed before the name that is completed.
function headOf(field) {
  if (field.dataset.many === undefined) return "";
  const comma = field.value.lastIndexOf(",");
  return comma < 0 ? "" : `${field.value.slice(0, comma + 1)} `;
}

async function ask(field) {
  const head = headOf(field);
  const typed = field.value.slice(head.trimEnd().length).trim();
  request?.abort();
  if (!typed) return;
  request = new AbortController();
  const asked = { kind: field.dataset.complete, q: typed };
  if (field.dataset.image) asked.image = field.dataset.image;
  try {
    const answer = await fetch(`/complete?${new URLSearchParams(asked)}`, { signal: request.signal });
    if (!answer.ok) return;
    const list = listOf(field);
    list.innerHTML = await answer.text();
    for (const option of list.options) option.value = head + option.value;
  } catch (stopped) {
    if (stopped.name !== "AbortError") throw stopped;
  }
}

export function completes(page) {
  page.addEventListener("input", (event) => {
    const field = event.target.closest("input[data-complete]");
    // Choosing from the list is no typing.
    if (!field || !event.inputType || event.inputType === "insertReplacementText") return;
    clearTimeout(timer);
    timer = setTimeout(ask, wait, field);
  });
}
