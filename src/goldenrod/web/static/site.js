// What every page does better with JavaScript; without it, each works all the same.
import { copyButtons } from "./copy.js";
import { forms } from "./forms.js";
import { find } from "./find.js";
import { keys } from "./keys.js";
import { sift } from "./sift.js";
import { use } from "./use.js";

copyButtons(document);
forms(document);
find(document);
keys(document);
sift(document);
use(document);
