// Forms: errors get the focus, each form is sent once (but for those that change nothing: data-again),
// and choosing a filter applies it.

export function forms(page) {
  page.querySelector("[data-focus]")?.focus();
  page.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post") {
      // Leave empty fields out of the address.
      for (const field of form.elements) if (field.name && !field.value) field.disabled = true;
      return;
    }
    if ("again" in form.dataset) return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
  });
  page.addEventListener("change", (event) => {
    if (event.target.closest("form[data-suggest] select")) event.target.form.requestSubmit();
  });
  // After the back button a form can be sent again.
  addEventListener("pageshow", () => {
    for (const form of page.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
    for (const form of page.forms) {
      if (form.method === "get") for (const field of form.elements) field.disabled = false;
    }
  });
}
