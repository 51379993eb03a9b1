// Buttons that copy another element's text: <button class="copy" data-copy="its id">.

async function put(text, source) {
  if (navigator.clipboard && window.isSecureContext) {
    await navigator.clipboard.writeText(text);
    return;
  }
  // Without https there is no clipboard API: select the text and run the copy command.
  const chosen = getSelection();
  const range = document.createRange();
  range.selectNodeContents(source);
  chosen.removeAllRanges();
  chosen.addRange(range);
  if (!document.execCommand("copy")) throw new Error("nothing was copied");
}

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  const label = button.dataset.label || button.textContent;
  button.dataset.label = label;
  try {
    await put(source.textContent.trim(), source);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Press Ctrl+C";
  }
  setTimeout(() => { button.textContent = label; }, 2000);
}

export function copyButtons(page) {
  page.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
  });
}
