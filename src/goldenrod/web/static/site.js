// Improves every page. All pages also work without JavaScript.
import { completes } from "./complete.js";
import { copyButtons } from "./copy.js";
import { forms } from "./forms.js";
import { find } from "./find.js";
import { keys } from "./keys.js";
import { sift } from "./sift.js";
import { use } from "./use.js";
import { previews } from "./preview.js";
import { recounts } from "./recount.js";
import { zones } from "./zone.js";

completes(document);
copyButtons(document);
forms(document);
find(document);
keys(document);
sift(document);
use(document);
previews(document);
recounts(document);
zones(document);
for (const ring of document.querySelectorAll(".lin svg .sel")) {
  // The version whose lineage it is, in the middle of what is seen of the picture.
  const window = ring.closest(".scroll");
  const [at, seen] = [ring.getBoundingClientRect(), window.getBoundingClientRect()];
  window.scrollLeft += at.left + at.width / 2 - seen.left - seen.width / 2;
}
