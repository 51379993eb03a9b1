// What every page does better with JavaScript; without it, each works all the same.
import { copyButtons } from "./copy.js";
import { forms } from "./forms.js";
import { find } from "./find.js";
import { keys } from "./keys.js";

copyButtons(document);
forms(document);
find(document);
keys(document);
