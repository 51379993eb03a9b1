// The preview of a Markdown text, below its field. The server renders it.

async function look(button) {
  const field = document.getElementById(button.dataset.preview);
  const token = button.form.elements.token.value;
  const answer = await fetch("/preview", {
    method: "POST",
    body: new URLSearchParams({ token, text: field.value }),
  });
  if (!answer.ok) throw new Error(answer.statusText);
  document.getElementById(`${field.id}-p`).innerHTML = await answer.text();
}

export function previews(page) {
  page.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-preview]");
    if (!button) return;
    event.preventDefault();
    try {
      await look(button);
    } catch {
      // If that fails, send the form: the server answers the page with the preview.
      button.form.requestSubmit(button);
    }
  });
}
