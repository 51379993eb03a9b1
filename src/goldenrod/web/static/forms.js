// Forms: what is wrong takes the focus, and each is sent once.

export function forms(page) {
  page.querySelector("[data-focus]")?.focus();
  page.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
  });
  // Coming back by the back button, a form may be sent again.
  addEventListener("pageshow", () => {
    for (const form of page.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  });
}
