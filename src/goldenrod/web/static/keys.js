// Keys: "/" moves to the search field, unless a text is being typed.

const typing = "input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]";

export function keys(page) {
  page.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest(typing)) return;
    const field = page.querySelector("[role=search] input[type=search]");
    if (!field) return;
    event.preventDefault();
    field.focus();
    field.select();
  });
}
