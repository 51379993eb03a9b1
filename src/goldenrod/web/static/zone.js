// Instants in forms: the field is in the visitor's own time zone. UTC is shown beside it and sent.

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const two = (number) => String(number).padStart(2, "0");

function local(date) {
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day}T${two(date.getHours())}:${two(date.getMinutes())}`;
}

function convert(field) {
  const sent = document.createElement("input");
  sent.type = "hidden";
  sent.name = field.name;
  sent.value = field.getAttribute("value");
  field.removeAttribute("name");
  field.after(sent);
  const words = document.querySelector(`#${CSS.escape(field.id)}-h [data-zone]`);

  function showUtc() {
    const utc = sent.value ? `: ${sent.value.replace("T", " ")} UTC` : "";
    words.textContent = `${zone.replaceAll("_", " ")}${utc}`;
  }

  if (sent.value) field.value = local(new Date(`${sent.value}Z`));
  showUtc();
  field.addEventListener("input", () => {
    const date = field.value ? new Date(field.value) : null;
    sent.value = date && !Number.isNaN(date.getTime()) ? date.toISOString().slice(0, 16) : "";
    showUtc();
  });
}

export function zones(page) {
  if (zone === "UTC") return;
  page.querySelectorAll("input[data-utc]").forEach(convert);
}
