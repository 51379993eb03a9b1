// Keys: "/" moves to the search field and "?" lists the keys, unless a text is being typed. Escape
// closes an open menu.

const typing = "input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]";
let list;

async function showList(link) {
  if (!list) {
    const answer = await fetch(link.href).catch(() => null);
    const page = answer?.ok && new DOMParser().parseFromString(await answer.text(), "text/html");
    const keys = page && page.getElementById("keys");
    if (!keys) return location.assign(link.href);
    list = document.body.appendChild(document.createElement("dialog"));
    list.setAttribute("aria-labelledby", "keys-h");
    const close = document.createElement("button");
    close.className = "btn";
    close.textContent = "Close";
    close.addEventListener("click", () => list.close());
    list.append(keys, close);
  }
  if (!list.open) list.showModal();
}

function closeMenu(menu) {
  if (menu.contains(document.activeElement)) menu.querySelector("summary").focus();
  menu.open = false;
}

export function keys(page) {
  const open = () => [...page.querySelectorAll("details.menu[open]")];
  const link = page.querySelector("a[data-keys]");
  page.addEventListener("keydown", (event) => {
    if (event.key === "Escape") open().forEach(closeMenu);
    if (!["/", "?"].includes(event.key) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest(typing) || page.querySelector("dialog[open]")) return;
    if (event.key === "?" && link && !page.getElementById("keys")?.closest("main")) {
      event.preventDefault();
      showList(link);
    }
    const field = page.querySelector("[role=search] input[type=search]");
    if (event.key !== "/" || !field) return;
    event.preventDefault();
    field.focus();
    field.select();
  });
  page.addEventListener("pointerdown", (event) => {
    open().filter((menu) => !menu.contains(event.target)).forEach((menu) => { menu.open = false; });
  });
}
